"""A password in a Key Vault: how often it is read, and what is tried when it cannot be."""

import anyio
import anyio.lowlevel
import pytest
from redis.exceptions import AuthenticationError

from engine import vault
from engine.connection import passes
from engine.errors import ServerError
from engine.vault import VaultPassword


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Safe:
    """Where the password lies."""

    def __init__(self) -> None:
        self.password = "first"
        self.trouble = ""
        self.reads = 0

    async def read(self) -> str:
        self.reads += 1
        await anyio.lowlevel.checkpoint()
        if self.trouble:
            raise ServerError(self.trouble)
        return self.password


@pytest.fixture
def safe() -> Safe:
    return Safe()


async def test_it_is_read_anew_for_each_connection(
    safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "AT_MOST_EVERY", 0.0)
    password = VaultPassword("desk", safe.read)
    assert await password.get_credentials_async() == ("desk", "first")
    safe.password = "second"
    assert await password.get_credentials_async() == ("desk", "second")
    assert await VaultPassword("", safe.read).get_credentials_async() == ("second",)
    assert "second" not in repr(password)


async def test_but_not_too_often(safe: Safe) -> None:
    password = VaultPassword("desk", safe.read)
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(password.get_credentials_async)
    assert safe.reads == 1


async def test_the_vault_is_away(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one known is as good as any, mostly."""
    monkeypatch.setattr(vault, "AT_MOST_EVERY", 0.0)
    password = VaultPassword("desk", safe.read)
    safe.trouble = "no vault answers"
    with pytest.raises(AuthenticationError, match="no vault answers") as told:
        await password.get_credentials_async()
    assert passes(told.value)
    safe.trouble = ""
    await password.renew()
    safe.trouble = "no vault answers"
    assert await password.get_credentials_async() == ("desk", "first")
    assert safe.reads == 3


async def test_a_vault_that_refuses_is_not_asked_at_every_attempt(safe: Safe) -> None:
    safe.trouble = "whoever we are may not"
    password = VaultPassword("desk", safe.read)
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            await password.get_credentials_async()
    assert safe.reads == 1
