"""Who we are to Azure, by its own SDK against an endpoint that gives tokens (G10)."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from engine.credentials import azure_trouble, blocking_credential, credential, fetch_token
from engine.errors import ServerError, UsageError
from engine.identity import SCOPE
from tests.entra import CLIENT_ID, Entra, entra_for

pytest.importorskip("azure.identity", reason="azure-identity is not installed")

CHOSEN = {"AZFINSIM_IDENTITY": CLIENT_ID}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    with entra_for() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.mark.parametrize(
    ("settings", "asked"), [(CHOSEN, CLIENT_ID), ({"AZFINSIM_IDENTITY": "default"}, ""), ({}, "")]
)
async def test_which_identity(entra: Entra, settings: dict[str, str], asked: str) -> None:
    """The one that is named, or whichever Azure's chain finds: here, the machine's own."""
    value, expires = await fetch_token(settings, SCOPE)
    assert value.count(".") == 2
    assert expires > 0
    async with credential(settings) as who:
        assert (await who.get_token(SCOPE)).token
    assert len(entra.issued) == 2
    assert entra.askers == {asked}


def test_which_identity_without_an_event_loop(entra: Entra) -> None:
    with blocking_credential(CHOSEN) as who:  # type: ignore[attr-defined]  # all of them have it
        assert who.get_token(SCOPE).token
    assert entra.askers == {CLIENT_ID}


async def test_each_token_is_new(entra: Entra) -> None:
    """The SDK would give the one before, until minutes before that expires."""
    first, _ = await fetch_token(CHOSEN, SCOPE)
    second, _ = await fetch_token(CHOSEN, SCOPE)
    assert first != second


async def test_there_is_none(entra: Entra) -> None:
    entra.refused = True
    with pytest.raises(ServerError, match=r"run `az login`.*AZFINSIM_IDENTITY.*not found") as told:
        await fetch_token(CHOSEN, SCOPE)
    assert "\n" not in str(told.value)


def test_what_went_wrong_in_one_line() -> None:
    assert azure_trouble(TimeoutError()) == "Azure has not answered within 40 s"
    assert azure_trouble(ValueError("a\nb")) == "a"
    assert azure_trouble(ValueError()) == "ValueError"


async def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    for ask in (credential, blocking_credential):
        with pytest.raises(UsageError, match=r"pip install 'azfinsim\[azure\]'"):
            ask({})
    with pytest.raises(UsageError, match="is not installed"):
        await fetch_token({}, SCOPE)


def test_nothing_of_azure_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, engine.connection; "
        "sys.exit(any(n.split('.')[0] in ('azure', 'aiohttp') for n in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
