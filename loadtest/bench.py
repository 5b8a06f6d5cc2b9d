"""``python -m loadtest bench``: what this machine does, beside what is promised.

What may live here: the command, and in which order things are measured.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from engine.connection import Address
from engine.edge import Count, json_option, note, print_json, run_async, stderr
from engine.embedded import EmbeddedServer
from engine.grid import open_grid
from loadtest.accuracy_bench import measure_accuracy
from loadtest.calls_bench import CallsRun
from loadtest.client_bench import ClientRun
from loadtest.compile_bench import measure_compiling
from loadtest.figures import MILLION, Measured
from loadtest.grid_bench import GridRun
from loadtest.kernel_bench import measure_prices, with_quantlib
from loadtest.kills_bench import KillsRun
from loadtest.machine import confine, describe
from loadtest.report import as_json as report_of
from loadtest.report import stdout, table
from loadtest.sweep_bench import SweepRun
from producer.generate import generate

USUAL = ("grid", "realtime", "prices", "accuracy", "kernels")

PARTS = (*USUAL, "kills", "sweep")


@click.command
@click.option("--trades", type=Count(1), default=1_000_000, help="Trades of the book.")
@click.option("--runs", type=click.IntRange(1), default=3, help="Of which the medians are shown.")
@click.option(
    "--peer-tasks",
    type=click.IntRange(100),
    default=20_000,
    help="Trades that go through taskiq-redis.",
)
@click.option(
    "--realtime-seconds",
    type=click.FloatRange(0.1),
    default=10.0,
    help="For which trades are offered in each part of `realtime`.",
)
@click.option(
    "--kill-seconds",
    type=click.FloatRange(1),
    default=40.0,
    help="For which each part of `kills` is watched.",
)
@click.option(
    "--pending",
    type=click.IntRange(1_000),
    default=MILLION,
    help="Entries that `sweep` looks at.",
)
@click.option("--cores", type=click.IntRange(1), default=2, help="Cores to confine everything to.")
@click.option(
    "--only",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    default=USUAL,
    help="Measure this part; may be given several times.  [default: all but kills and sweep]",
)
@json_option
def bench(
    trades: int,
    runs: int,
    peer_tasks: int,
    realtime_seconds: float,
    kill_seconds: float,
    pending: int,
    cores: int,
    parts: Sequence[str],
    as_json: bool,
) -> None:
    """Measure the grid and the pricers, and their peers beside them.

    Each part of a run has a fresh server; a run of all takes some two minutes, and of `kills` or
    `sweep`, which are measured only if named, four and one more.
    """
    machine = describe(confine(cores))
    measured = Measured(trades, peer_tasks, pending)
    with_peer = find_spec("taskiq_redis") is not None
    if "grid" in parts and not with_peer:
        note("taskiq-redis is not installed: the grid is compared with nothing")
    if "prices" in parts and not with_quantlib():
        note("QuantLib is not installed (the extra quantlib): it is left out")
    if "grid" in parts:
        for run in range(1, runs + 1):
            _run(measured, f"run {run} of {runs}", with_peer)
    if "realtime" in parts:
        for run in range(1, runs + 1):
            _realtime(measured, f"run {run} of {runs}", realtime_seconds)
    for run in range(1, runs + 1):
        _faults(measured, f"run {run} of {runs}", parts, kill_seconds)
    # Last: the compiler it loads would slow down what this process does before.
    for run in range(1, runs + 1):
        _prices(measured, run, f"run {run} of {runs}", parts)
    if as_json:
        settings = {
            "trades": trades,
            "runs": runs,
            "peer_tasks": peer_tasks if with_peer else 0,
            "realtime_seconds": realtime_seconds,
            "kill_seconds": kill_seconds,
            "pending": pending,
        }
        print_json(report_of(measured, machine, settings))
    else:
        stdout().print(table(measured, machine, runs))


def _run(measured: Measured, name: str, with_peer: bool) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="azfinsim-bench-") as folder,
        EmbeddedServer() as server,
    ):
        run_async(_measure, measured, server.url, Path(folder), name, with_peer)


def _realtime(measured: Measured, name: str, seconds: float) -> None:
    def step(what: str) -> AbstractContextManager[None]:
        return _step(f"{name}: {what}")

    with tempfile.TemporaryDirectory(prefix="azfinsim-bench-") as folder:
        with EmbeddedServer() as server:
            run_async(ClientRun(server.url, Path(folder), measured, step, seconds).run)
        run_async(CallsRun(Path(folder), measured, step, seconds).run)


def _faults(measured: Measured, name: str, parts: Sequence[str], kill_seconds: float) -> None:
    def step(what: str) -> AbstractContextManager[None]:
        return _step(f"{name}: {what}")

    async def kills(url: str, folder: Path) -> None:
        async with open_grid(Address.parse(url)) as grid:
            await KillsRun(grid, url, folder, measured, step, kill_seconds).run()

    with tempfile.TemporaryDirectory(prefix="azfinsim-bench-") as folder:
        if "kills" in parts:
            with EmbeddedServer() as server:
                run_async(kills, server.url, Path(folder))
        if "sweep" in parts:
            run_async(SweepRun(Path(folder), measured, step, measured.pending).run)


def _prices(measured: Measured, run: int, name: str, parts: Sequence[str]) -> None:
    if "prices" in parts:
        with _step(f"{name}: prices"):
            measure_prices(measured)
    if "accuracy" in parts:
        with _step(f"{name}: prices to an accuracy"):
            measure_accuracy(measured, seed=run)
    if "kernels" in parts:
        with _step(f"{name}: kernels from scratch and from the cache"):
            for algorithm in ("pvonly", "deltavega"):
                measure_compiling(measured, algorithm)


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
