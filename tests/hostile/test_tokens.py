"""G10: a token of Entra ID, or a password from a Key Vault, is seen by nobody who need not."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from engine.address import Address
from engine.grid import open_grid
from producer.generate import generate
from producer.ndjson import encode_trades
from tests.entra import CLIENT_ID, Entra, entra_for, vault_in
from tests.hostile import command_tree, leaks
from tests.hostile.command_tree import QUICK
from tests.hostile.leaks import MARK, RIGHT, USER, Leaks, Servers
from tests.processes import ROOT
from tests.redis_servers import needs_openssl, needs_redis

pytest.importorskip("azure.keyvault.secrets", reason="azure-keyvault-secrets is not installed")

pytestmark = [needs_redis, needs_openssl]


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Servers]:
    (tmp_path / "servers").mkdir()
    with leaks.servers(tmp_path / "servers") as made:
        yield made


@pytest.fixture
def found(tmp_path: Path, known: Servers) -> Iterator[Leaks]:
    """What was seen by the end of the test; there must be nothing."""
    seen = Leaks()
    (tmp_path / "work").mkdir()
    with (
        leaks.watching_processes(seen),
        leaks.watching_commands(seen, known.port),
        known.admin() as admin,
    ):
        yield seen
        seen.look_at_server(admin)
    seen.look_at_files(tmp_path / "work", [])
    assert seen.found == []


@pytest.fixture
def entra(known: Servers) -> Iterator[Entra]:
    """Gives tokens with the mark; made after what watches the server."""
    with known.admin() as admin, entra_for(admin, mark=MARK, life=3.0) as made:
        yield made


def run(place: Path, told: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-m", "azfinsim", *arguments],
        cwd=place / "work",
        env={**leaks.without_settings(), "PYTHONPATH": str(ROOT), **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def by_token(at: Servers, entra: Entra) -> dict[str, str]:
    return {
        **entra.environment,
        "AZFINSIM_REDIS_URL": f"redis://127.0.0.1:{at.port}",
        "AZFINSIM_REDIS_AUTH": "entra",
        "AZFINSIM_IDENTITY": CLIENT_ID,
    }


CONSUME = ("consume", "--slots", "1", "--exit-when-idle", "3", "--log-level", "debug")


def test_no_process_shows_a_token(
    known: Servers, found: Leaks, entra: Entra, tmp_path: Path
) -> None:
    """Over renewals."""
    told = by_token(known, entra)
    done = run(tmp_path, told, *CONSUME)
    assert done.returncode == 0, done.stderr
    assert len(entra.issued) > 1
    found.look("what a consumer prints", done.stdout + done.stderr)


@pytest.mark.parametrize("way", ["right", "refused", "away"])
def test_no_command_shows_a_token(
    way: str,
    known: Servers,
    found: Leaks,
    entra: Entra,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path / "work")
    Path("trades.ndjson").write_bytes(encode_trades(generate(1, 0, 100)))
    for name in [name for name in os.environ if name.startswith("AZFINSIM_")]:
        monkeypatch.delenv(name)
    for name, value in by_token(known, entra).items():
        monkeypatch.setenv(name, value)
    if way != "right":
        entra.servers.clear()
        entra.refused = way == "away"
    there = command_tree.leaves()
    for name in [name for name in QUICK if name in there]:
        code, out, err = command_tree.run(capfd, *name.split(), *QUICK[name])
        found.look(f"what {name} prints", out + err)
        assert "Traceback" not in err, err
        # Nobody has called for the load test that `join` is to help with.
        fine = (0, 1, 2, 3) if name == "loadtest join" else (0, 1, 3)
        assert code in fine if way == "right" else code == 3 or name.startswith("pool"), (name, err)


def test_no_object_shows_a_token(
    known: Servers, found: Leaks, entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = by_token(known, entra)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    address = Address.parse(told["AZFINSIM_REDIS_URL"], told)

    async def live() -> None:
        async with open_grid(address) as grid:
            assert await grid.redis.ping()
            found.look_at_objects()

    anyio.run(live)
    gc.collect()
    found.look_at_objects()


def test_no_process_shows_a_password_of_a_vault(
    known: Servers, found: Leaks, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        entra = stack.enter_context(entra_for(mark=MARK))
        vault = stack.enter_context(vault_in(tmp_path, value=RIGHT))
        told = {
            **entra.environment,
            "SSL_CERT_FILE": str(vault.ca),
            "AZFINSIM_REDIS_URL": f"redis://{USER}@127.0.0.1:{known.port}",
            "AZFINSIM_REDIS_PASSWORD_VAULT": vault.url,
            "AZFINSIM_IDENTITY": CLIENT_ID,
        }
        commands = [
            (0, (*CONSUME[:-3], "0.5", *CONSUME[-2:])),
            (0, ("job", "list")),
            (3, ("job", "list")),
        ]
        for code, command in commands:
            if code == 3:
                vault.value = f"{RIGHT}-not"
            done = run(tmp_path, told, *command)
            assert done.returncode == code, done.stderr
            found.look(f"what {command} prints", done.stdout + done.stderr)
