"""How a client logs in at each connection: what redis-py asks for user and password.

What may live here: which way a login takes, and the way by a file. Tokens are in
``engine.identity``, Key Vault is in ``engine.vault``.
"""

from contextlib import AsyncExitStack
from functools import partial

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from engine.credentials import IDENTITY, fetch_token
from engine.errors import UsageError
from engine.identity import SCOPE, renewed_tokens
from engine.login import Login
from engine.vault import VaultPassword, read_secret


async def provider_of(login: Login, stack: AsyncExitStack) -> CredentialProvider:
    """What tells each new connection who we are, as that is then; it ends with the stack.

    Raises ServerError if Azure gives nothing to begin with, UsageError without Azure's SDK.
    """
    if login.entra:
        fetch = partial(fetch_token, {IDENTITY: login.identity}, SCOPE)
        return await stack.enter_async_context(renewed_tokens(fetch))
    if login.password_vault is not None:
        password = VaultPassword(
            login.username, partial(read_secret, login.password_vault, login.identity)
        )
        await password.renew()
        return password
    return FilePassword(login)


class FilePassword(CredentialProvider):
    """The password as it is now, which may have been changed, if it comes from a file."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Raises AuthenticationError, which is waited for, if the file cannot be read."""
        try:
            password = self._login.read()
        except UsageError as error:
            # It was there at the start: whoever puts another in its place may be at it. As an
            # error of the connection it is waited for, and leaves no socket open.
            raise AuthenticationError(str(error)) from error
        return (self._login.username, password) if self._login.username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()
