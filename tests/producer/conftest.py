"""Fixtures for the producer's tests: a grid on the run's server, and the commands on it."""

import sys
from collections.abc import AsyncIterator

import pytest

from azfinsim.cli import azfinsim
from engine import streams
from engine.edge import run_command
from engine.grid import Grid
from producer import plan
from tests.producer.commands import Command, Run
from tests.producer.grids import on_grid, reopened, shelve


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What the command line runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    """An empty grid of three partitions."""
    async with reopened(redis_url, partitions=3) as grid:
        yield grid


@pytest.fixture
def job(
    redis_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """``azfinsim job`` against a grid with a book."""
    monkeypatch.setenv("AZFINSIM_REDIS_URL", redis_url)
    on_grid(redis_url, shelve)

    def command(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["azfinsim", "job", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(azfinsim, "azfinsim")
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, *capfd.readouterr())

    return command


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few entries a call, for many calls at which to die."""
    monkeypatch.setattr(plan, "_BATCH_CHUNKS", 2)
    monkeypatch.setattr(streams, "RELEASE_PAGE", 3)
