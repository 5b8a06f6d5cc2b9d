"""``azfinsim book``: making books of trades, loading them, looking at them, and dropping them.

What may live here: the commands, what they ask and what they tell. What they do on the server is
in ``books``.
"""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import click
import orjson

from engine.connection import Address
from engine.edge import (
    DONE,
    SHORT,
    Count,
    Group,
    json_option,
    needed,
    note,
    optional_redis_option,
    partitions_option,
    print_json,
    progress,
    redis_option,
    run_async,
)
from engine.errors import UsageError
from producer import books
from producer.book_views import Tally, in_words, pace, table
from producer.generate import AT_ONCE, MAKERS, MAX_SEED, batches
from producer.load import Batch, gathered
from producer.ndjson import Output, encode_trades, output_file
from producer.options import TRADE_ID, book_option
from producer.plan import Span
from producer.readers import read_trades

STDOUT = "standard output"

file_type = click.Path(path_type=Path)


@click.group(cls=Group)
def book() -> None:
    """Make, load, show, export and drop books of trades."""


@book.command
@click.option("--count", type=Count(), default=1_000_000, help="How many trades.")
@click.option(
    "--product",
    type=click.Choice(list(MAKERS)),
    default="warrant",
    help="What they are; `job submit --algorithm european` prices the latter.",
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Same seed, same book.")
@click.option("--first", type=TRADE_ID, default=0, metavar="ID", help="The first trade's ID.")
@click.option(
    "--to",
    "path",
    type=file_type,
    metavar="FILE",
    help="Write NDJSON to FILE instead (gzip if it ends in .gz); that needs no server.",
)
@book_option
@partitions_option
@optional_redis_option
@json_option
def generate(
    count: int,
    product: str,
    seed: int,
    first: int,
    path: Path | None,
    book: str,
    partitions: int | None,
    address: Address | None,
    as_json: bool,
) -> None:
    """Make a synthetic book of knock-out FX warrants, or of European FX options.

    A trade depends on the seed and its ID alone. Trades that the book holds already under these
    IDs are replaced; its others stay.
    """
    span = Span.parse(f"{first}:{count}")
    made = map(Batch, batches(seed, span.first, span.count, AT_ONCE, MAKERS[product]))
    with progress("generate", total=count) as advance:
        start = time.monotonic()

        def stored(batch: Batch) -> None:
            advance(len(batch.trades.ids))

        if path is not None:
            _write(path, made, stored)
            where: dict[str, object] = {"file": str(path)}
        else:
            grid = needed(address).with_partitions(partitions)
            held = run_async(books.fill, grid, book, made, stored)
            where = {"book": book, "trades": held}
        seconds = time.monotonic() - start
    _tell({**where, "seed": seed, "written": count, **pace(count, seconds)}, as_json)


@book.command
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
@click.option(
    "--faults",
    "faults_path",
    type=file_type,
    metavar="FILE",
    help="Write what is wrong with each record that is kept out to FILE, as NDJSON.",
)
@book_option
@partitions_option
@redis_option
@json_option
def inject(
    path: Path,
    faults_path: Path | None,
    book: str,
    partitions: int | None,
    address: Address,
    as_json: bool,
) -> int:
    """Load trades from FILE, or from standard input if it is `-`.

    FILE holds NDJSON, or the SET commands of the older azfinsim; either may be gzip. Bad records
    are told and kept out, the good ones go in: then the exit code is 1. A trade replaces the one
    that the book holds under its ID.
    """
    with ExitStack() as stack:
        stream, size = stack.enter_context(_opened(path))
        faults = stack.enter_context(output_file(faults_path)) if faults_path else None
        advance = stack.enter_context(progress("inject", total=None))
        tally = Tally(faults)
        name = "standard input" if str(path) == "-" else str(path)
        start = time.monotonic()

        def stored(batch: Batch) -> None:
            tally.add(batch)
            count = len(batch.trades.ids) + len(batch.rejected)
            advance(count, _expected(tally.records, stream, size))

        grid = address.with_partitions(partitions)
        held = run_async(books.fill, grid, book, gathered(read_trades(stream, name)), stored)
        seconds = time.monotonic() - start
    tally.conclude()
    counts = {
        "written": tally.written,
        "rejected": tally.rejected,
        "duplicates": tally.duplicates,
    }
    report = {"book": book, "file": name, "trades": held, **counts}
    _tell({**report, **pace(tally.written, seconds)}, as_json)
    return SHORT if tally.rejected else DONE


@book.command
@click.argument("path", type=file_type, metavar="[FILE]", required=False)
@click.option("--trades", metavar="FIRST:COUNT", help="Only these; all if not given.")
@book_option
@redis_option
@json_option
def export(
    path: Path | None, trades: str | None, book: str, address: Address, as_json: bool
) -> int:
    """Write a book as NDJSON, in order of ID.

    To standard output, or to FILE (gzip if it ends in .gz).
    """
    if as_json and path is None:
        raise UsageError("--json reports on standard output, where the trades go: name a FILE")
    span = Span.parse(trades) if trades is not None else None
    to_file = output_file(path) if path else nullcontext(Output(sys.stdout.buffer, STDOUT))
    start = time.monotonic()
    with to_file as output, progress("export", total=None) as advance:
        done = run_async(books.export, address, book, span, output, advance)
        output.flush()
    for problem in done.unreadable:
        note(f"damaged in the cache: {problem}")
    where = {"file": str(path)} if path else {"file": STDOUT}
    counts = {"written": done.written, "rejected": len(done.unreadable)}
    _tell({**where, **counts, **pace(done.written, time.monotonic() - start)}, as_json)
    return SHORT if done.unreadable else DONE


@book.command
@click.argument("trade_id", type=TRADE_ID, metavar="ID")
@book_option
@redis_option
@json_option
def show(trade_id: int, book: str, address: Address, as_json: bool) -> int:
    """Print one trade as JSON."""
    trade = run_async(books.trade, address, book, trade_id)
    if trade is None:
        note(f"book {book} holds no trade {trade_id}")
        if as_json:
            print_json({"book": book, "id": trade_id, "found": False})
        return SHORT
    click.echo(orjson.dumps(trade, option=0 if as_json else orjson.OPT_INDENT_2))
    return DONE


@book.command("list")
@redis_option
@json_option
def list_books(address: Address, as_json: bool) -> None:
    """Say which books there are, and how many trades each holds."""
    held = run_async(books.counts, address)
    if as_json:
        print_json({"books": held})
    else:
        note(table(held))


@book.command
@click.argument("trade_id", type=TRADE_ID, metavar="[ID]", required=False)
@click.option("--yes", is_flag=True, help="Do not ask before a whole book is dropped.")
@book_option
@redis_option
@json_option
def drop(trade_id: int | None, yes: bool, book: str, address: Address, as_json: bool) -> int:
    """Drop the trade with this ID, or without an ID the whole book."""
    if trade_id is not None:
        dropped, held = run_async(books.drop_trade, address, book, trade_id)
    else:
        held = run_async(books.count, address, book)
        if not yes:
            _confirm(f"Drop book {book} with its {held:,} trades?")
        dropped, held = run_async(books.drop, address, book), 0
    if as_json:
        print_json({"book": book, "dropped": dropped, "trades": held})
    else:
        note(f"book {book}: {dropped:,} trades dropped; it holds {held:,} trades now")
    return SHORT if trade_id is not None and not dropped else DONE


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("dropping a whole book asks first, and there is no terminal: say --yes")
    click.confirm(question, abort=True, err=True)


def _write(path: Path, made: Iterator[Batch], stored: Callable[[Batch], None]) -> None:
    with output_file(path) as output:
        for batch in made:
            output.write(encode_trades(batch.trades))
            stored(batch)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedIOBase, int | None]]:
    """The file, and its size if it has one."""
    if str(path) == "-":
        yield cast(io.BufferedIOBase, sys.stdin.buffer), None
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with stream:
        yield stream, os.fstat(stream.fileno()).st_size or None


def _expected(records: int, stream: io.BufferedIOBase, size: int | None) -> int | None:
    """How many records the file will prove to have, by the part of it that is read."""
    if size is None or not (position := stream.tell()):
        return None
    return max(records, records * size // position)


def _tell(report: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        note(in_words(report))
