"""The command ``demo``: everything at once, on this machine, with a server of its own."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from azfinsim.demo_tally import Tally
from azfinsim.demo_views import Summary, show_summary, watching
from engine.connection import Address
from engine.count import plural
from engine.dirlock import locked
from engine.edge import DONE, SHORT, Count, json_option, note, print_json, progress, run_async
from engine.embedded import EmbeddedServer, ServerSettings
from engine.errors import ServerError, UsageError
from engine.grid import Grid, open_grid
from engine.job import Job, Progress
from engine.machine import usable_cores
from engine.pricing import registry
from infra.fleet import Fleet, FleetSettings
from producer.generate import AT_ONCE, MAX_SEED, batches
from producer.job_options import Amount, accuracy_option, request_of, simulates
from producer.job_views import terms
from producer.load import Batch, load
from producer.ndjson import output_file
from producer.result_files import Ndjson
from producer.results import results
from producer.resume import resume
from producer.submit import find, submit
from producer.wait import Look, wait

ACCURACY = 0.001
"""That is asked for where the user asks for nothing."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo is to do."""

    trades: int
    seed: int
    consumers: int
    folder: Path
    request: dict[str, Any]
    """The options of ``job submit`` that the user gave."""


@click.command()
@click.option("--trades", type=Count(1, 100_000_000), default=1_000_000, help="Size of the book.")
@click.option(
    "--algorithm", default="pvonly", help="pvonly, deltavega, european, synthetic, or yours."
)
@click.option(
    "--consumers", type=click.IntRange(1, 256), help="Consumer processes.  [default: usable cores]"
)
@click.option(
    "--paths",
    type=click.IntRange(1, 2**31),
    help="Paths of each trade, to the last one; with --accuracy, the most a trade may take.",
)
@accuracy_option(f"  [default: {ACCURACY}, unless --paths is given]")
@click.option(
    "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Of the book and of the prices."
)
@click.option("--chunk", type=click.IntRange(1, 10_000), default=100, help="Trades an entry.")
@click.option("--failure", type=Amount(0, 1), default=0.0, help="Fail trades on purpose.")
@click.option("--task-duration", type=Amount(0), metavar="MS", help="For synthetic.")
@click.option("--mem-usage", type=Amount(0), metavar="MB", help="For synthetic.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("azfinsim-demo"),
    help="Where logs and results go.",
)
@click.option("--keep", is_flag=True, help="Keep the server's data, and go on with it next time.")
@json_option
def demo(
    trades: int,
    seed: int,
    consumers: int | None,
    folder: Path,
    keep: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Make a book, queue it, price it by several consumers, and account for every trade.

    Starts a server and consumers of its own; Ctrl-C ends them all. Exit code 1 if a trade was not
    priced.
    """
    began = time.monotonic()
    # As Ctrl-C, which ends what was started in its order.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    plan = Demo(trades, seed, consumers or usable_cores(), folder, asked)
    try:
        summary = _run(plan, keep)
    except KeyboardInterrupt:
        note(
            f"stopping; `azfinsim demo --keep --dir {folder}` goes on where this has stopped"
            if keep
            else "stopping; nothing is kept: with --keep, running it again goes on from here"
        )
        raise
    elapsed = time.monotonic() - began
    if as_json:
        print_json(summary.report(elapsed))
    else:
        show_summary(summary, elapsed)
    return DONE if summary.seen.well else SHORT


def _run(plan: Demo, keep: bool) -> Summary:
    logs = plan.folder / "logs"
    _make(logs)
    settings = ServerSettings(
        directory=plan.folder / "data" if keep else None, log_path=logs / "server.log"
    )
    with ExitStack() as running:
        # Not only the server's own data: two demos would write over each other's logs and results.
        lock = running.enter_context(locked(plan.folder))
        if lock is not None:
            lock.note(f"that of a demo, process {os.getpid()}")
        server = running.enter_context(EmbeddedServer(settings))
        address = Address.parse(server.url)
        job = run_async(_unfinished, address) if keep else None
        if job is None:
            request = _request(plan)
        else:
            request = job
            note(f"going on with job {job.name} as it was begun, whatever is asked for now")
            plan = replace(plan, trades=int(str(job.trades).rpartition(":")[2]))
        note(
            ", ".join(
                [
                    *(f"{plan.trades:,} trades", request.algorithm),
                    *(f"{name} {words}" for name, words in terms(request).items()),
                    *(plural(plan.consumers, "consumer"), f"server at {server.url}"),
                ]
            )
        )
        fleet = running.enter_context(Fleet(FleetSettings(address, plan.consumers, logs)))
        return run_async(_price, plan, address, fleet, request, resumed=job is not None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--dir {folder} cannot be made: {error.strerror}") from None


def _request(plan: Demo) -> Job:
    """The job to submit; decides how exact its prices are to be if the user does not."""
    asked = dict(plan.request)
    if asked["paths"] is None and asked["accuracy"] is None:
        asked["accuracy"] = ACCURACY if simulates(registry.find(asked["algorithm"])) else None
    name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return request_of(
        name=name,
        trades=f"0:{plan.trades}",
        lane="bulk",
        book="default",
        seed=plan.seed,
        **asked,
    )


async def _unfinished(address: Address) -> Job | None:
    """The latest job that an earlier demo left unfinished, if any."""
    async with open_grid(address) as grid:
        for name in await grid.jobs.names():
            job = await find(grid, name)
            if not (await grid.jobs.progress(job)).ended:
                return job
    return None


async def _price(
    plan: Demo, address: Address, fleet: Fleet, request: Job, *, resumed: bool
) -> Summary:
    """Make the book, queue it, wait, and collect the results."""
    async with open_grid(address) as grid:
        made = queued = earlier = None
        first: float | None = None
        if resumed:
            earlier = (await grid.jobs.progress(request)).seconds
            await resume(grid, request)
        else:
            made = await _make_book(grid, plan)
            began = await grid.jobs.now()
            request = (await submit(grid, request)).job
            queued = await grid.jobs.now() - began
        with watching(plan.trades, lambda: fleet.living) as show:

            def look(seen: Look) -> None:
                nonlocal first
                show(seen)
                if first is None and seen.progress.counts.ended and not resumed:
                    first = seen.progress.seconds
                if not fleet.living and not seen.progress.ended:
                    raise ServerError(f"all consumers have ended: {plan.folder / 'logs'} says why")

            seen = await wait(grid, request, on_look=look)
        path = plan.folder / "results.ndjson.gz"
        began = await grid.jobs.now()
        tally = await _collect(grid, seen, path)
        collected = await grid.jobs.now() - began
        logs = plan.folder / "logs"
        return Summary(seen, made, queued, first, earlier, collected, tally, path, logs)


async def _make_book(grid: Grid, plan: Demo) -> float:
    """Generate the book; returns the seconds that it took."""
    began = await grid.jobs.now()
    with progress("make trades", plan.trades) as advance:
        await load(
            grid.cache,
            "default",
            map(Batch, batches(plan.seed, 0, plan.trades, AT_ONCE)),
            lambda batch: advance(len(batch.trades.ids)),
        )
    return await grid.jobs.now() - began


async def _collect(grid: Grid, seen: Progress, path: Path) -> Tally:
    """Write the results to a file, and add them up."""
    lines = Ndjson()
    tally = Tally(seen.job.accuracy)
    given = await grid.jobs.manifest(seen.job)
    with output_file(path) as output, progress("results", seen.counts.ended) as advance:
        async for records in results(grid, seen.job, given, cancelled=False):
            tally.add(records)
            output.write(lines.lines(records))
            advance(len(records))
    return tally
