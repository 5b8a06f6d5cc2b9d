"""Reaching a Redis server: its address, what it must be able to do, and its errors in our words."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from engine.errors import ServerError, ServerFull, UsageError, leaf

OLDEST = (6, 2)
"""The oldest Redis that has all we use: XAUTOCLAIM, XPENDING by idle time."""

_OPTIONS = frozenset(
    {"cluster", "db", "username", "password", "protocol", "client_name", "health_check_interval"}
    | {"socket_timeout", "socket_connect_timeout", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
)
"""What a URL may ask for; nothing among it turns the verification of certificates off."""

_PASSING = (
    ConnectionError,
    TimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
    NoScriptError,
    # All nodes are away, or the one that has a slot.
    RedisClusterException,
)

# Codes that the client has no class for, or does not see since Redis 6.2 puts its own words before
# what a command within a script was answered.
_PASSING_CODES = re.compile(
    r"\b(OOM|READONLY|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|UNBLOCKED|CLUSTERDOWN|TRYAGAIN)\b"
)

SOCKET_TIMEOUT = 5.0
"""Seconds without an answer after which a connection is given up. Blocking reads are shorter."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. Shows no secret: ``str`` and ``repr`` leave the credentials out."""

    url: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read ``redis://``, ``rediss://`` or ``unix://``, with ``?cluster=true`` for a cluster.

        Raises UsageError for anything else.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # Not in its words: they quote what may be a piece of the password.
            raise UsageError(
                "the Redis URL is not a URL: must be redis://USER:PASSWORD@HOST:PORT/NUMBER, a "
                "password percent-encoded (/ as %2F, # as %23, ? as %3F)"
            ) from None
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise UsageError(
                f"the Redis URL begins with {parts.scheme + '://' if parts.scheme else 'nothing'}: "
                "must be redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"
            )
        if port == 0 or (parts.scheme == "unix" and not parts.path):
            raise UsageError("the Redis URL names no port or path: must be redis://HOST:PORT …")
        if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path):
            raise UsageError(
                "the Redis URL has a path that is no number of a database: must be as in "
                "redis://HOST:PORT/0, a password percent-encoded (/ as %2F)"
            )
        address = cls(url)
        unknown = {name for name, _ in parse_qsl(parts.query)} - _OPTIONS
        if unknown:
            raise UsageError(
                f"the Redis URL has the option {min(unknown)[:40]!r}: must be of "
                f"{', '.join(sorted(_OPTIONS))}"
            )
        if address.cluster and parts.scheme == "unix":
            raise UsageError("a cluster has no unix socket: must be redis:// or rediss://")
        return address

    @property
    def cluster(self) -> bool:
        """Whether the server is a Redis Cluster."""
        query = dict(parse_qsl(urlsplit(self.url).query))
        return query.get("cluster", "false").lower() in ("true", "1", "yes")

    @property
    def client_url(self) -> str:
        """The URL as the client takes it, which knows nothing of ``cluster``."""
        parts = urlsplit(self.url)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name != "cluster"]
        return urlunsplit(parts._replace(query=urlencode(query)))

    @property
    def has_password(self) -> bool:
        parts = urlsplit(self.url)
        return parts.password is not None or "password" in dict(parse_qsl(parts.query))

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        where = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{where}{parts.path}"

    def __repr__(self) -> str:
        return f"Address({self})"


@asynccontextmanager
async def open_redis(address: Address) -> AsyncIterator[Redis]:
    """Connect and check the server; close at the end.

    Raises ServerError if it cannot be reached, refuses, or is too old, then and while in use.
    """
    try:
        if address.cluster:
            # Offers what we use of Redis under the same names.
            redis = cast(
                Redis,
                RedisCluster.from_url(address.client_url, socket_timeout=SOCKET_TIMEOUT),
            )
        else:
            redis = Redis.from_url(address.client_url, socket_timeout=SOCKET_TIMEOUT)
    except ValueError as error:
        raise UsageError(f"the Redis URL: {error}") from None
    async with redis:
        try:
            await _check_version(redis)
            yield redis
        except (RedisError, RedisClusterException, BaseExceptionGroup) as error:
            cause = leaf(error)
            if isinstance(cause, RedisError | RedisClusterException):
                raise explain(cause, address) from error
            raise


async def _check_version(redis: Redis) -> None:
    try:
        info = await redis.info("server")
    except NoPermissionError:
        return  # A user with least rights may not ask; the first command will tell.
    # A cluster answers for each of its nodes.
    for node in info.values() if "redis_version" not in info else [info]:
        version = str(node["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise ServerError(
                f"the server is Redis {version}: azfinsim needs {OLDEST[0]}.{OLDEST[1]} or later, "
                "or Valkey"
            )


def text(value: object) -> str:
    """A string that the server sent; bytes that are not UTF-8 show as replacement characters."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def passes(error: object) -> bool:
    """Whether this is an error that ends by itself or by a person's help: worth waiting for."""
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, ResponseError) and bool(_PASSING_CODES.search(str(error)))


def explain(error: RedisError | RedisClusterException, address: Address) -> ServerError:
    """Put a client's error into words for the user."""
    match error:
        case OutOfMemoryError():
            return ServerFull(
                f"the Redis server at {address} is full (its maxmemory is reached): "
                "give it more memory or drop a book, then run `azfinsim job resume`"
            )
        case AuthenticationError() | NoPermissionError():
            return ServerError(f"the Redis server at {address} refuses: {error}")
        case ConnectionError() | TimeoutError() | RedisClusterException():
            return ServerError(
                f"no Redis server answers at {address}: {str(error).rstrip('.')}. "
                "Start one with `azfinsim serve`, "
                "or say where one is with --redis-url or AZFINSIM_REDIS_URL"
            )
        case _:
            return ServerError(f"the Redis server at {address} answers: {error}")
