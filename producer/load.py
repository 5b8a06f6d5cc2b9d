"""Putting batches of trades into a book, while the next batch is being made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import anyio
from anyio import to_thread

from engine.blocks import Trades
from engine.cache import Cache


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is kept out of the book, and why."""

    line: int
    problem: str
    """In words: ``vol is -0.1: must be a number of at least 0``."""
    field: str | None = None
    """The field at fault; None where the record as a whole could not be read."""
    value: object = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Trades to be stored, in the order in which later ones replace earlier ones."""

    trades: Trades
    rejected: tuple[Rejected, ...] = ()


async def load(
    cache: Cache, book: str, batches: Iterator[Batch], stored: Callable[[Batch], None]
) -> None:
    """Store each batch and then call ``stored`` with it.

    One after the other, as a later batch may replace trades of an earlier one; but the next is made
    in a thread meanwhile. Raises what ``batches`` raises, and the errors of the cache.
    """
    batch = await to_thread.run_sync(next, batches, None)
    while batch is not None:
        following = None
        async with anyio.create_task_group() as group:
            group.start_soon(cache.upsert, book, batch.trades)
            following = await to_thread.run_sync(next, batches, None)
        stored(batch)
        batch = following
