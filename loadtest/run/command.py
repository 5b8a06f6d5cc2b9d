"""The commands ``loadtest run`` and ``loadtest join``."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from engine.connection import Address
from engine.edge import (
    DONE,
    SHORT,
    json_option,
    needed,
    note,
    optional_redis_option,
    print_json,
    redis_option,
    run_async,
)
from engine.errors import UsageError
from loadtest import record
from loadtest.generator.process import generate_load
from loadtest.run import search
from loadtest.run.live import Show, show_end, showing
from loadtest.run.round import Round
from loadtest.run.search import Hunt
from loadtest.run.server import server_for
from loadtest.run.stand import check, standing
from loadtest.run.whole import record_of
from loadtest.scenario import Scenario
from loadtest.scenario_read import SECONDS, load, ready

INTERRUPTED = "interrupted"

COMMON = {
    "rate": "realtime.rate",
    "seconds": "seconds",
    "warm_up": "warm_up",
    "consumers": "consumers.start",
    "slots": "consumers.slots",
    "generators": "realtime.generators",
    "fleet": "fleet.consumers",
    "seed": "seed",
}
"""Options that stand for keys."""


@dataclass(slots=True)
class Test:
    """One test, and what has come of it so far."""

    scenario: Scenario
    address: Address | None
    find_capacity: bool
    show: Show
    folder: Path
    """For logs."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    round: Round | None = None
    hunt: Hunt | None = None

    async def run(self) -> None:
        """From the first process to the last answer."""
        async with (
            server_for(self.scenario, self.address, self.folder) as (address, own),
            standing(self.scenario, address, own, self.folder) as stand,
        ):
            if self.find_capacity:
                self.hunt = Hunt(stand, self.scenario, self.show.say, self.show.look)
                await self.hunt.run()
                return
            self.round = Round(stand, self.scenario, self.show.say, on_look=self.show.look)
            await self.round.run()

    def record(self, ended_early: str | None = None) -> record.Record | None:
        """What came of it; None if nothing was measured."""
        last = self.round
        if self.hunt is not None:
            last = self.hunt.best or self.hunt.latest
        if last is None:
            return None
        last.ended_early = last.ended_early or ended_early
        capacity = self.hunt.capacity() if self.hunt is not None else None
        return record_of(self.scenario, self.started, last, capacity)


@click.command()
@click.argument("name", metavar="SCENARIO", required=False)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Of the scenario.")
@click.option("--rate", type=float, help="Calls a second, at the peak.")
@click.option("--seconds", type=float, help="How long it is measured.")
@click.option("--warm-up", type=float, help="Seconds before, that do not count.")
@click.option("--consumers", type=int, help="To start here; 0 for those that are there.")
@click.option("--slots", type=int, help="Of each of them.")
@click.option("--generators", type=int, help="Processes here that send.")
@click.option("--fleet", type=int, help="Simulated consumers, which take the jobs.")
@click.option("--seed", type=int, help="Of trades, arrivals and faults.")
@click.option("--find-capacity", is_flag=True, help="Search the highest rate that meets all.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("loadtest-results"),
    help="Folder for the record and its page.",
)
@click.option("--keep-logs", is_flag=True, help="Keep the logs of what was started, in --out.")
@optional_redis_option
@json_option
def run(
    name: str | None,
    changes: tuple[str, ...],
    find_capacity: bool,
    out: Path,
    keep_logs: bool,
    address: Address | None,
    as_json: bool,
    **common: Any,
) -> int:
    """Run a load test: a ready scenario, or one in a TOML file (docs/loadtest.md).

    Without --redis-url it has a server and consumers of its own. Exit code 0 if all objectives are
    met (or there are none), 1 if not, or if it is invalid or ended early.
    """
    if name is None:
        known = "\n".join(f"  {each:10}{about}" for each, about in ready().items())
        raise UsageError(f"which scenario? A TOML file, or one of these:\n{known}")
    # As Ctrl-C, which ends what was started in its order.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    given = {key: common[option] for option, key in COMMON.items() if common[option] is not None}
    scenario = load(name, changes, given)
    if find_capacity:
        search.check(scenario)
        if "seconds" not in given:
            scenario = search.in_short(scenario, SECONDS)
    check(scenario, address)
    _make(out)
    folder = Path(tempfile.mkdtemp(prefix="azfinsim-load-"))
    try:
        with showing(scenario.name) as show:
            test = Test(scenario, address, find_capacity, show, folder)
            told = _run(test, lambda record: _end(record, out, as_json=as_json))
        if told is None:
            return SHORT
        _end(told, out, as_json=as_json)
        return DONE if told.verdict.met else SHORT
    finally:
        _end_logs(folder, out, keep=keep_logs)


def _run(test: Test, end: Callable[[record.Record], None]) -> record.Record | None:
    """Run a test; one that is interrupted leaves its record too."""
    try:
        run_async(test.run)
    except BaseException as error:
        why = INTERRUPTED if isinstance(error, KeyboardInterrupt) else str(error) or repr(error)
        told = test.record(why)
        if told is None:
            raise
        if isinstance(error, KeyboardInterrupt) or not _is_told(test):
            end(told)
            raise
        return told
    return test.record()


def _is_told(test: Test) -> bool:
    """Whether a test has noted itself why it was not run to its end."""
    return test.round is not None and test.round.ended_early is not None


def _end(told: record.Record, out: Path, *, as_json: bool) -> None:
    """Write the record and show it; one that cannot be written is shown all the same."""
    paths: list[Path] = []
    try:
        paths = _write(told, out)
    finally:
        if as_json:
            print_json(_summary(told, paths))
        show_end(told, paths)


def _write(told: record.Record, out: Path) -> list[Path]:
    """Write the record, and its page if what draws it is installed; returns their paths."""
    moment = datetime.fromisoformat(told.started)
    stem = f"{told.scenario.get('name', 'test')}-{moment:%Y%m%d-%H%M%S}"
    path = out / f"{stem}.json"
    part = path.with_suffix(".part")
    try:
        # Whole or not at all: a full disk leaves no half of a record.
        part.write_bytes(told.to_json())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    if find_spec("plotly") is None:
        note("no page is drawn: pip install 'azfinsim[loadtest]'")
        return [path]
    from loadtest.page.page import write

    page = out / f"{stem}.html"
    write(told, page)
    return [path, page]


def _summary(told: record.Record, paths: list[Path]) -> Mapping[str, Any]:
    """The record without what only a page needs."""
    import orjson

    summary: dict[str, Any] = orjson.loads(told.to_json())
    del summary["series"]
    for times in (summary["realtime"] or {}).values():
        if isinstance(times, dict):
            times.pop("hdr", None)
    return {**summary, "files": [str(path) for path in paths]}


def _make(out: Path) -> None:
    """Make the folder, and see that it can be written to: at the end it is too late."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(b"a record")
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written to: {error.strerror}") from None


def _end_logs(folder: Path, out: Path, *, keep: bool) -> None:
    if keep:
        data = shutil.ignore_patterns("appendonlydir")
        shutil.copytree(folder, out / "logs", ignore=data, dirs_exist_ok=True)
        note(f"logs are in {out / 'logs'}")
    shutil.rmtree(folder, ignore_errors=True)


@click.command()
@click.argument("name", required=False)
@redis_option
def join(name: str | None, address: Address) -> None:
    """Send a share of a load test that runs elsewhere: the latest, if none is named.

    The test waits for as many as its realtime.join says. The share is sent from one process.
    """
    run_async(generate_load, needed(address), name, note)
