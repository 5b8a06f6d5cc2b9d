"""Where an extra is not installed, whatever needs it says so in a line: exit code 2."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from infra.config import save
from tests.hostile.command_tree import CASES, leaves
from tests.hostile.leaks import without_settings
from tests.infra.batch_double.users import DEPLOYMENT
from tests.loadtest.records import sample
from tests.processes import ROOT, Field, field_at, synthetic
from tests.redis_servers import free_ports

OUTSIDE = {"serve", "demo", "consume", "loadtest chaos", "pool up"}
"""They begin something; those that need an extra for that are among ``NEEDS``."""

NEEDS: Mapping[str, Sequence[str]] = {
    "azure": [
        "pool up --consumers 2",
        "pool down",
        "pool status",
        "pool control --once",
        "job results night --to az://account/results",
        "consume --logs az://account/logs --exit-when-idle 0.1",
    ],
    "parquet": ["job results night night.parquet --format parquet"],
    "plot": ["price --ladder spot=0.85:0.95:3 --plot ladder.png"],
    "loadtest": ["loadtest report record.json"],
}
"""Commands, by the extra that they lack."""

SETTINGS = {
    "AZFINSIM_REDIS_AUTH": ("entra", "azure"),
    "AZFINSIM_REDIS_PASSWORD_VAULT": ("https://name.vault.azure.net/secrets/redis", "azure"),
    "APPLICATIONINSIGHTS_CONNECTION_STRING": (DEPLOYMENT.telemetry, "azure"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("http://127.0.0.1:1", "otlp"),
}
"""Variables that ask for an extra: what they hold, and which."""

Told = list[tuple[list[str], int, str]]


def run(place: Path, commands: Sequence[Sequence[str]], **settings: str) -> Told:
    """What commands come to, each its words, exit code and all that it has printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.azfinsim.without_extras"],
        input=b"\n".join(orjson.dumps(list(each)) for each in commands),
        cwd=place,
        env={**without_settings(), "PYTHONPATH": str(ROOT), **settings},
        stdout=subprocess.PIPE,
        timeout=50,
        check=True,
    )
    found: Told = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [words for words, _, _ in found] == [list(each) for each in commands]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder, with what commands may be told to read."""
    save(tmp_path / "azfinsim.json", DEPLOYMENT)
    (tmp_path / "record.json").write_bytes(sample().to_json())
    (tmp_path / "trades.ndjson").write_bytes(b"")
    return tmp_path


def test_what_needs_one_says_which(redis_url: str, place: Path) -> None:
    with field_at(redis_url, place) as field:
        prepare(field)
        commands = [command.split() for some in NEEDS.values() for command in some]
        told = run(place, commands, AZFINSIM_REDIS_URL=field.url)
    extras = [extra for extra, some in NEEDS.items() for _ in some]
    for extra, (words, code, said) in zip(extras, told, strict=True):
        in_one_line(words, code, said, extra)


def prepare(field: Field) -> None:
    """A job that has ended, whose results can be asked for."""
    field.fill(10)
    field.cancel(field.submit(synthetic("night")))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_needs_one_says_which(name: str, redis_url: str, place: Path) -> None:
    value, extra = SETTINGS[name]
    url = "rediss://127.0.0.1:1" if value == "entra" else redis_url
    commands = [["consume", "--exit-when-idle", "0.1"]]
    [(words, code, said)] = run(place, commands, AZFINSIM_REDIS_URL=url, **{name: value})
    in_one_line(words, code, said, extra)


def in_one_line(words: Sequence[str], code: int, said: str, extra: str) -> None:
    assert code == 2, (words, said)
    [line] = said.splitlines()
    assert f"pip install 'azfinsim[{extra}]'" in line, (words, said)


def test_no_command_ends_in_a_traceback(place: Path) -> None:
    """Of all that there are, whose modules are imported for it."""
    commands = [[*name.split(), *CASES[name]] for name in leaves() if name not in OUTSIDE]
    url = f"redis://127.0.0.1:{free_ports(1)[0]}"
    for words, code, said in run(place, commands, AZFINSIM_REDIS_URL=url):
        assert "Traceback" not in said, (words, said)
        assert code in (0, 1, 2, 3), (words, said)
