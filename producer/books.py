"""What the book commands do on the server: each opens it, does one thing and closes it."""

import difflib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.blocks import Trades
from engine.cache import Cache
from engine.codec import Block
from engine.connection import Address
from engine.errors import UsageError
from engine.grid import open_grid
from engine.ids import BLOCK_SIZE
from producer.load import Batch, load
from producer.ndjson import Output, encode_trades
from producer.plan import Span


@dataclass(slots=True)
class Exported:
    """How many trades were written, and what in the cache could not be read."""

    written: int = 0
    unreadable: list[str] = field(default_factory=list)


async def fill(
    address: Address, book: str, batches: Iterator[Batch], stored: Callable[[Batch], None]
) -> int:
    """Store the batches as ``load`` does; return how many trades the book holds then."""
    async with open_grid(address) as grid:
        await load(grid.cache, book, batches, stored)
        return await grid.cache.count(book)


async def export(
    address: Address,
    book: str,
    span: Span | None,
    output: Output,
    advance: Callable[[int, int | None], None],
) -> Exported:
    """Write the trades of a book, or those of them in ``span``, as NDJSON, in order of ID.

    ``advance`` is told how many were written each time, and at first how many there are. Raises
    UsageError if there is no such book, or ``output`` cannot be written.
    """
    done = Exported()
    async with existing(address, book) as cache:
        index = await cache.index(book)
        advance(0, span.held(index) if span else sum(map(len, index.values())))
        numbers = [number for number in index if span is None or _overlaps(number, span)]
        async for blocks in cache.pages(book, numbers):
            before = done.written
            for block in blocks:
                trades = _within(block, span)
                output.write(encode_trades(trades))
                done.written += len(trades.ids)
                done.unreadable += block.unreadable
            advance(done.written - before, None)
    return done


async def trade(address: Address, book: str, trade_id: int) -> dict[str, object] | None:
    """One trade; None if the book does not hold it. UsageError if there is no such book."""
    async with existing(address, book) as cache:
        return await cache.trade(book, trade_id)


async def counts(address: Address) -> list[dict[str, object]]:
    """The books by name, and how many trades each holds."""
    async with open_grid(address) as grid:
        names = await grid.cache.books()
        return [{"book": name, "trades": await grid.cache.count(name)} for name in names]


async def count(address: Address, book: str) -> int:
    """How many trades a book holds. Raises UsageError if there is no such book."""
    async with existing(address, book) as cache:
        return await cache.count(book)


async def drop_trade(address: Address, book: str, trade_id: int) -> tuple[int, int]:
    """Drop one trade; return how many were dropped, 0 or 1, and how many the book holds then.

    Raises UsageError if there is no such book.
    """
    async with existing(address, book) as cache:
        dropped = int(await cache.remove(book, trade_id))
        return dropped, await cache.count(book)


async def drop(address: Address, book: str) -> int:
    """Drop a book; return how many trades it held. Raises UsageError if there is no such book."""
    async with existing(address, book) as cache:
        return await cache.drop(book)


@asynccontextmanager
async def existing(address: Address, book: str) -> AsyncIterator[Cache]:
    """The cache, in which there is this book. Raises UsageError if there is no such book."""
    async with open_grid(address) as grid:
        if book not in (names := await grid.cache.books()):
            near = difflib.get_close_matches(book, names, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"there is no book {book}: {meant}`azfinsim book list` says which there are"
            )
        yield grid.cache


def _overlaps(number: int, span: Span) -> bool:
    return span.first // BLOCK_SIZE <= number <= span.last // BLOCK_SIZE


def _within(block: Block, span: Span | None) -> Trades:
    trades = Trades(block.ids, block.columns)
    if span is None:
        return trades
    rows = [row for row, i in enumerate(block.ids) if span.first <= i <= span.last]
    return trades if len(rows) == len(block.ids) else trades.at(rows)
