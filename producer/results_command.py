"""``azfinsim job results``: the records of a job, to where they are wanted."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Protocol

import click

from engine.apart import apart
from engine.blobs import open_blobs
from engine.connection import Address
from engine.edge import DONE, SHORT, note, progress, redis_option, run_async
from engine.errors import UsageError
from engine.grid import Grid, open_grid
from engine.job import Job, Progress, State
from engine.outcome import Outcome
from producer.ndjson import Output, output_file
from producer.result_files import Csv, Format, Ndjson, own_figures
from producer.result_parquet import Columns, Parquet
from producer.results import Record
from producer.results import results as results_of
from producer.submit import find

NAMES = ("ndjson", "csv", "parquet")

_FORMS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
"""The formats by the ending of a file's name."""

AT_ONCE = 5_000
"""Records that are written at once: a few megabytes."""


class Sink(Protocol):
    """Takes the bytes of a file."""

    def write(self, data: bytes) -> None:
        """Add to it; raises UsageError or BlobError if that fails."""


@click.command
@click.argument("name", metavar="JOB")
@click.argument("path", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--to",
    "place",
    metavar="PLACE",
    help="Write a blob: az://ACCOUNT/CONTAINER/PATH, or a folder; named JOB.FORMAT, or as PATH is.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(NAMES),
    help="[default: as the file is named, else ndjson]",
)
@click.option(
    "--reproducible", is_flag=True, help="Leave out attempts and ms, which differ from run to run."
)
@redis_option
def results(
    name: str,
    path: Path | None,
    place: str | None,
    format_name: str | None,
    reproducible: bool,
    address: Address,
) -> int:
    """Write the results of a job, one record a trade, in order of ID.

    To standard output, to FILE (gzip if it ends in .gz), or --to a blob, which appears when it is
    complete. What there is so far is written of a job that is not done. Exit code 1 if a trade
    was not priced (yet).
    """
    if path is not None and place is not None:
        raise UsageError(f"{path} and --to {place}: name one of them")
    if path is not None and path.is_dir():
        raise UsageError(f"{path} is a folder: --to {path} writes a file into it")
    form = format_name or _form_of(path, place)
    if form == "parquet" and place is None and path is None:
        raise UsageError("--format parquet is no text: name a FILE, or a place with --to")
    try:
        with _sink(path, place, name, form) as sink:
            seen, missing = run_async(_write, address, name, sink, form, reproducible)
    except BrokenPipeError:
        # Whoever reads has seen enough, as `| head` has; click would call that a failure.
        raise click.exceptions.Exit(DONE) from None
    if seen.counts.failed:
        note(f"job {name}: {_counted(seen)}")
    if seen.state is State.DONE and not missing:
        return DONE if seen.well else SHORT
    note(f"job {name} is {seen.state}: {missing:,} of its trades have no result here")
    if seen.state is State.DONE:
        note(f"the server has lost them: `azfinsim job resume {name}` has them priced again")
    return SHORT


def _counted(seen: Progress) -> str:
    """How many trades were priced, and what became of the others."""
    counts = asdict(seen.counts)
    names = ("priced", "rejected", "dead", "expired", "cancelled")
    told = [f"{counts[name]:,} {name}" for name in names if counts[name] or name == "priced"]
    return f"{', '.join(told)} of {counts['submitted']:,}"


def _form_of(path: Path | None, place: str | None) -> str:
    """The format that a file's name says; NDJSON where nothing does.

    Raises UsageError if a file is named as one of another kind is; a place may be a folder's.
    """
    told = Path(place or path or "")
    endings = told.suffixes
    if form := next((_FORMS[each] for each in endings if each in _FORMS), None):
        return form
    ending = told.with_suffix("").suffix if told.suffix == ".gz" else told.suffix
    if ending and place is None:
        raise UsageError(
            f"{told}: results cannot be written as {ending}: name it {', '.join(_FORMS)} (and .gz "
            "behind that, if you like), or say --format"
        )
    return "ndjson"


def _sink(
    path: Path | None, place: str | None, name: str, form: str
) -> AbstractContextManager[Sink]:
    if place is not None:
        return _blob(place, f"{name}.{form}")
    return output_file(path) if path is not None else _stdout()


@contextmanager
def _stdout() -> Iterator[Sink]:
    output = Output(sys.stdout.buffer, "the output")
    yield output
    output.flush()


@contextmanager
def _blob(place: str, otherwise: str) -> Iterator[Sink]:
    """A blob that is named by the place itself if that ends as a file of results does."""
    before, _, last = place.rstrip("/").rpartition("/")
    folder = before or ("/" if place.startswith("/") else ".")
    named = Path(last).suffix in _FORMS
    blobs = open_blobs(folder if named else place, os.environ)
    try:
        with blobs.writer(last if named else otherwise) as writer:
            yield writer
    finally:
        blobs.close()
    note(f"written to {place}" if named else f"written to {place.rstrip('/')}/{otherwise}")


async def _write(
    address: Address, name: str, sink: Sink, form: str, reproducible: bool
) -> tuple[Progress, int]:
    """Write the records; returns how far the job was, and how many trades had no result."""
    async with open_grid(address) as grid:
        found = await find(grid, name)
        seen = await grid.jobs.progress(found)
        given = await grid.jobs.manifest(found)
        lines = await _format(grid, found, form, reproducible=reproducible)
        cancelled = seen.state is State.CANCELLED and seen.ended
        missing = max(seen.total or 0, seen.counts.submitted, sum(map(len, given.values())))
        with progress("results", missing) as advance:
            await apart(lambda: sink.write(lines.begin()))
            async for records in _gathered(results_of(grid, found, given, cancelled=cancelled)):
                count = len(records)
                missing -= sum(record.get("outcome") != Outcome.CANCELLED for record in records)
                await apart(partial(_write_some, sink, lines, records))
                advance(count)
            await apart(lambda: sink.write(lines.end()))
        return seen, missing


async def _gathered(blocks: AsyncIterator[Sequence[Record]]) -> AsyncIterator[Sequence[Record]]:
    """The same records, in larger pieces."""
    gathered: list[Record] = []
    async for records in blocks:
        gathered += records
        if len(gathered) >= AT_ONCE:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def _write_some(sink: Sink, lines: Format, records: Sequence[Record]) -> None:
    sink.write(lines.lines(records))


async def _format(grid: Grid, job: Job, form: str, *, reproducible: bool) -> Format:
    if form == "ndjson":
        return Ndjson(reproducible)
    own: set[str] = set()
    columns = Columns()
    # All columns stand before the first record, so these are read twice.
    async for records in results_of(grid, job, await grid.jobs.manifest(job), cancelled=False):
        names = own_figures(records)
        own |= names
        if form == "parquet":
            columns.see(records, names)
    if form == "csv":
        return Csv(reproducible, sorted(own))
    return Parquet(job, columns, reproducible=reproducible)
