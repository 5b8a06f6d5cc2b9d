"""``python -m loadtest bench``: what this machine does, beside what is promised.

What may live here: the command, and in which order things are measured.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console

from engine.connection import Address
from engine.edge import json_option, note, print_json, run_async, stderr
from engine.embedded import EmbeddedServer
from engine.grid import open_grid
from loadtest.figures import Measured
from loadtest.grid_bench import GridRun
from loadtest.kernel_bench import kernel_times
from loadtest.machine import confine, describe
from loadtest.report import as_json as report_of
from loadtest.report import table
from producer.generate import generate

TABLE_COLUMNS = 120
"""Characters, where standard output is no terminal that knows better."""


@click.command
@click.option("--trades", type=click.IntRange(1), default=1_000_000, help="Trades of the book.")
@click.option("--runs", type=click.IntRange(1), default=3, help="Of which the medians are shown.")
@click.option(
    "--peer-tasks",
    type=click.IntRange(100),
    default=20_000,
    help="Trades that go through taskiq-redis.",
)
@click.option("--cores", type=click.IntRange(1), default=2, help="Cores to confine everything to.")
@json_option
def bench(trades: int, runs: int, peer_tasks: int, cores: int, as_json: bool) -> None:
    """Measure the grid, and taskiq-redis beside it, on embedded servers.

    Each run has a fresh server. Takes about a minute a run.
    """
    machine = describe(confine(cores))
    measured = Measured(trades, peer_tasks)
    with_peer = find_spec("taskiq_redis") is not None
    if not with_peer:
        note(
            "taskiq-redis is not installed (pip install taskiq-redis): nothing is compared with it"
        )
    for run in range(1, runs + 1):
        _run(measured, f"run {run} of {runs}", with_peer)
    # Last: the compiler it loads would slow down what this process does before.
    with _step(f"prices, {runs} times"):
        for times in kernel_times(runs):
            measured.add("pv_ms", times.pv)
            measured.add("greeks_ms", times.greeks)
            measured.add("greeks_ratio", times.greeks / times.pv)
    if as_json:
        settings = {"trades": trades, "runs": runs, "peer_tasks": peer_tasks if with_peer else 0}
        print_json(report_of(measured, machine, settings))
    else:
        _print(measured, machine, runs)


def _run(measured: Measured, name: str, with_peer: bool) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="azfinsim-bench-") as folder,
        EmbeddedServer() as server,
    ):
        run_async(_measure, measured, server.url, Path(folder), name, with_peer)


async def _measure(measured: Measured, url: str, folder: Path, name: str, with_peer: bool) -> None:
    @contextmanager
    def step(what: str) -> Iterator[None]:
        with _step(f"{name}: {what}"):
            yield

    async with open_grid(Address.parse(url)) as grid:
        await GridRun(grid, url, folder, measured, step).run()
        if not with_peer:
            return
        # The peer need not share the server's memory with our million trades.
        await grid.redis.flushall()
        with step(f"taskiq-redis, {measured.tasks:,} tasks"):
            # Imported here: only developers have what it needs.
            from loadtest.taskiq_peer import peer_rate

            book = generate(seed=0, first=0, count=measured.tasks)
            trades = [book.row(row) for row in range(measured.tasks)]
            rate = await peer_rate(grid.redis, url, trades, folder / "peer.log")
        measured.add("peer_rate", rate)
        measured.add("peer_ratio", measured.values["stream_rate"][-1] / rate)


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Show what is being done, and afterwards how long it took."""
    began = time.monotonic()
    # Drawn rarely: it shares two cores with what is measured.
    with stderr.status(what, refresh_per_second=2):
        yield
    note(f"{what}: {time.monotonic() - began:.1f} s")


def _print(measured: Measured, machine: dict[str, object], runs: int) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = TABLE_COLUMNS
    out.print(table(measured, machine, runs))
