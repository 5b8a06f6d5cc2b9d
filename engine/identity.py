"""Who we are to a Redis that goes by Entra ID: a token that is renewed while connections live.

What may live here: tokens, when to renew them, and showing them to the server. Fetching one is
``engine.credentials``' affair.

redis-py has a way of its own (``StreamingCredentialProvider``). It shows a new token only to the
connections that are idle at that moment, in a cluster, so those in a blocking read would be cut
later; and one that fails on the way is lost to its pool with all behind it. Here each connection
shows the newest token itself, before its next command, whatever the kind of server and of read.
"""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import anyio
import structlog
from redis.asyncio.connection import AbstractConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from engine.codec import loads
from engine.errors import ServerError

SCOPE = "https://redis.azure.com/.default"

RENEW_AT = 0.7
"""The share of a token's life after which a new one is asked for."""

LONGEST_PAUSE = 30.0
"""Seconds between attempts, at most, when no token is to be had."""

WAIT = 5.0
"""Seconds that a new connection waits for a token, on a machine that has slept over its expiry."""

log = structlog.get_logger()

Fetch = Callable[[], Awaitable[tuple[str, float]]]
"""A token and its expiry in Unix time. Raises ServerError if there is none to be had."""


@dataclass(frozen=True, slots=True)
class Token:
    """What the server is shown."""

    user: str
    """The object ID of whom it is for, which is the name of the server's user."""
    value: str = field(repr=False)
    expires: float
    """Unix time."""

    @classmethod
    def read(cls, value: str, expires: float) -> "Token":
        """Read whom a token is for; that it is genuine is for the server to check.

        Raises ServerError for what is no token for a user.
        """
        try:
            _, claims, _ = value.split(".")
            told = loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            user = told["oid"]
        except (ValueError, KeyError, TypeError):
            user = None
        if not isinstance(user, str) or not user.isprintable() or not user:
            # Not what it was, which may be a secret all the same.
            raise ServerError("Azure's token is no JSON web token that names an object ID (oid)")
        return cls(user, value, expires)

    def left(self, now: float) -> float:
        """Seconds until it expires."""
        return self.expires - now


def pause(left: float, failures: int, chance: float) -> float:
    """Seconds until the next attempt, with a token that lives for ``left`` seconds yet.

    ``failures`` counts attempts in a row that brought none; ``chance``, from 0 to 1, spreads what
    a thousand consumers ask for. Azure gives the same token again for a while: of what is left of
    it then, the same share passes.
    """
    if failures:
        return min(2.0 ** (min(failures, 10) - 1), LONGEST_PAUSE) * (1.0 - chance / 2.0)
    return max(left * RENEW_AT * (1.0 - chance / 10.0), 1.0)


class Tokens(CredentialProvider):
    """The newest token, and which connection was shown which. Of one event loop."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._newest = Token("", "", 0.0)
        self._failures = 0
        self._why = ""
        self._asked = anyio.Event()
        self._renewed = anyio.Event()
        # By the socket's writer and not by the connection, which may have another one by and by.
        self._shown: WeakKeyDictionary[asyncio.StreamWriter, Token] = WeakKeyDictionary()

    async def get_credentials_async(self) -> tuple[str, str]:
        """User and token for a new connection.

        Raises AuthenticationError, which is waited for, if there is none that is valid.
        """
        if self._newest.left(time.time()) <= 0 and not self._failures:
            # Timers stand still while a machine sleeps.
            self._asked.set()
            with anyio.move_on_after(WAIT):
                await self._renewed.wait()
        newest = self._newest
        if newest.left(time.time()) <= 0:
            why = self._why or "Azure has not answered yet"
            raise AuthenticationError(f"the token of Entra ID has expired, and no new one: {why}")
        return newest.user, newest.value

    async def keep(self, connection: AbstractConnection) -> None:
        """Show a connection's server the newest token, if it knows an older one.

        To be called before each command, where no answer is outstanding. Raises
        AuthenticationError if the server refuses the token.
        """
        writer = connection._writer
        if writer is None:
            return  # It is about to connect, with the newest.
        newest = self._newest
        shown = self._shown.setdefault(writer, newest)  # The first words of all are the login.
        if shown is newest:
            return
        if shown.left(time.time()) <= 0:
            # Nobody has used it for long, and its server has cut it or is about to.
            await connection.disconnect()
            return
        self._shown[writer] = newest
        try:
            await connection.send_command("AUTH", newest.user, newest.value, check_health=False)
            await connection.read_response()
        except BaseException:
            # As what it is now cannot be told, whoever uses it next logs in anew.
            await connection.disconnect(nowait=True)
            raise

    async def renew(self) -> None:
        """Get a new token. Raises ServerError if there is none to be had."""
        value, expires = await self._fetch()
        if expires <= time.time():
            raise ServerError(
                "Azure gives a token that has expired already: set this machine's clock right"
            )
        if value != self._newest.value:
            self._newest = Token.read(value, expires)

    async def keep_renewing(self) -> None:
        """Renew for ever; to be begun with a token."""
        while True:
            left = self._newest.left(time.time())
            with anyio.move_on_after(pause(left, self._failures, random.random())):
                await self._asked.wait()
            self._asked = anyio.Event()
            try:
                await self.renew()
            except Exception as error:  # Whatever it is, tokens have to be renewed.
                self._failures, self._why = self._failures + 1, str(error)
                left = round(self._newest.left(time.time()))
                log.warning("no new token for Redis", why=self._why, expires_in=left)
            else:
                if self._failures:
                    log.info("a new token for Redis", tries=self._failures)
                self._failures, self._why = 0, ""
            # Whoever waits for it hears of a failure too.
            self._renewed.set()
            self._renewed = anyio.Event()


@asynccontextmanager
async def renewed_tokens(fetch: Fetch) -> AsyncIterator[Tokens]:
    """Tokens that are renewed while the body runs.

    Raises ServerError if there is none to begin with.
    """
    tokens = Tokens(fetch)
    await tokens.renew()
    # Not in a task group, which would wrap every error of the body.
    renewing = asyncio.create_task(tokens.keep_renewing(), name="renew tokens for Redis")
    try:
        yield tokens
    finally:
        renewing.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([renewing])
