"""``azfinsim book``: making books of trades, looking at them, and dropping them.

What may live here: the commands, what they ask and what they tell. The work is in the other files.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from engine.connection import Address
from engine.edge import (
    json_option,
    needed,
    note,
    optional_redis_option,
    print_json,
    progress,
    run_async,
)
from engine.grid import open_grid
from producer.generate import MAX_SEED, batches
from producer.load import Batch, load
from producer.ndjson import encode_trades, output_file
from producer.options import TRADE_ID, book_option, trade_range

GENERATED_AT_ONCE = 2_000
"""Trades: small batches stay in the processor's cache, and the server works while the next is made."""


@click.group
def book() -> None:
    """Make, load, show, export and drop books of trades."""


@book.command
@click.option("--count", type=click.IntRange(1), default=1_000_000, help="How many trades.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Same seed, same book.")
@click.option("--first", type=TRADE_ID, default=0, metavar="ID", help="The first trade's ID.")
@click.option(
    "--to",
    "path",
    type=click.Path(path_type=Path),
    help="Write NDJSON to this file instead (gzip if it ends in .gz); needs no server.",
)
@book_option
@optional_redis_option
@json_option
def generate(
    count: int,
    seed: int,
    first: int,
    path: Path | None,
    book: str,
    address: Address | None,
    as_json: bool,
) -> None:
    """Make a synthetic book of knock-out FX warrants.

    A trade depends on the seed and its ID alone. Trades with these IDs that are there already are
    replaced, others stay.
    """
    ids = trade_range(first, count)
    made = map(Batch, batches(seed, ids.start, len(ids), GENERATED_AT_ONCE))
    with progress("generate", total=count) as advance:
        start = time.monotonic()

        def stored(batch: Batch) -> None:
            advance(len(batch.trades.ids))

        if path is not None:
            _write(path, made, stored)
            where: dict[str, object] = {"file": str(path)}
        else:
            held = run_async(_load, needed(address), book, made, stored)
            where = {"book": book, "trades": held}
        seconds = time.monotonic() - start
    report = {**where, "seed": seed, "written": count, **_pace(count, seconds)}
    _tell(report, as_json)


def _write(path: Path, made: Iterator[Batch], stored: Callable[[Batch], None]) -> None:
    with output_file(path) as output:
        for batch in made:
            output.write(encode_trades(batch.trades))
            stored(batch)


async def _load(
    address: Address, book: str, made: Iterator[Batch], stored: Callable[[Batch], None]
) -> int:
    """Store the batches; return how many trades the book holds then."""
    async with open_grid(address) as grid:
        await load(grid.cache, book, made, stored)
        return await grid.cache.count(book)


def _pace(count: int, seconds: float) -> dict[str, float]:
    rate = count / seconds if seconds > 0 else 0.0
    return {"seconds": round(seconds, 3), "trades_per_second": round(rate, 1)}


def _tell(report: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    note(str(report))
