"""A password that lies in a Key Vault, and may be changed there while we work.

What may live here: reading it, and how often. The SDK is imported when it is needed.
"""

import math
import time
from collections.abc import Awaitable, Callable

import anyio
import structlog
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from engine.credentials import ATTEMPT, IDENTITY, azure_trouble, credential
from engine.errors import AzfinsimError, ServerError, UsageError
from engine.login import Secret

PATIENCE = 3.0
"""Seconds for which a reading is waited for while a password is at hand."""

AT_MOST_EVERY = 5.0
"""Seconds between two readings. A vault takes 4,000 in 10 s from all who use it; a thousand
consumers that are refused at once, because the password was changed, stay below that."""

log = structlog.get_logger()

Read = Callable[[], Awaitable[str]]


class VaultPassword(CredentialProvider):
    """The password as it is when a connection begins, or was some seconds before that.

    With the vault away the last one known is tried.
    """

    def __init__(self, username: str, read: Read) -> None:
        self._username = username
        self._read = read
        self._password = ""
        self._why = "it has not been read yet"
        self._read_at = float("-inf")
        self._reading = anyio.Lock()

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Raises AuthenticationError, which is waited for, if it was never to be had."""
        async with self._reading:
            if time.monotonic() - self._read_at >= AT_MOST_EVERY:
                await self._try_to_renew()
        if not self._password:
            raise AuthenticationError(self._why)
        return (self._username, self._password) if self._username else (self._password,)

    async def _try_to_renew(self) -> None:
        """Read it; with one at hand that may still be right, without waiting for long."""
        self._why = f"the vault has not answered within {PATIENCE:g} s"
        with anyio.move_on_after(PATIENCE if self._password else math.inf):
            try:
                await self.renew()
            except AzfinsimError as error:
                self._why = str(error)
            else:
                return
        if self._password:
            log.warning("the last password known is tried", why=self._why)

    async def renew(self) -> None:
        """Read it now. Raises ServerError if that cannot be done."""
        try:
            self._password = await self._read()
        finally:
            # A failure counts too: a vault that refuses us need not be asked at every attempt.
            self._read_at = time.monotonic()


async def read_secret(secret: Secret, identity: str) -> str:
    """The value of a secret, without line ends behind it.

    Raises ServerError if it cannot be read or is empty, UsageError without the SDK.
    """
    try:
        from azure.keyvault.secrets.aio import SecretClient
    except ImportError:
        raise UsageError("Azure's SDK is not installed: pip install 'azfinsim[azure]'") from None
    try:
        with anyio.fail_after(ATTEMPT):
            async with (
                credential({IDENTITY: identity}) as who,
                SecretClient(secret.vault, who, retry_total=1) as client,
            ):
                found = await client.get_secret(secret.name, secret.version or None)
    except AzfinsimError:
        raise
    except Exception as error:
        # Whatever the SDK raises, and it raises much, is a vault that cannot be read.
        raise ServerError(f"cannot read {secret}: {_why(error)}") from None
    password = (found.value or "").rstrip("\r\n")
    if not password:
        raise ServerError(f"{secret} is empty: must hold the password")
    return password


def _why(error: Exception) -> str:
    """What is wrong, in words, with the way out."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError

    match error:
        case HttpResponseError(status_code=403):
            return (
                "whoever we are to Azure may not: give this identity the role Key Vault Secrets "
                f"User, or let this machine through the vault's firewall; {IDENTITY} says who we "
                "are"
            )
        case HttpResponseError(status_code=404):
            return "the vault has no such secret: put it there with `az keyvault secret set`"
        case HttpResponseError(status_code=429):
            return "the vault is asked too often, by all who use it"
        case ServiceRequestError():
            return (
                f"no vault answers ({azure_trouble(error)}): is its name right, and may this "
                "machine reach it, where it is behind a private endpoint?"
            )
        case _:
            return azure_trouble(error)
