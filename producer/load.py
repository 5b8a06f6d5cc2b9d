"""Putting batches of trades into a book, while the next batch is being made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import anyio
import numpy as np
from anyio import to_thread

from engine.blocks import Trades, joined
from engine.cache import Cache
from engine.ids import BLOCK_SIZE

DENSE = 20
"""Trades a block from which on it is not worth while to wait for more of them."""

GATHERED_TRADES = 100_000
GATHERED_BYTES = 64 << 20
"""Scattered trades are stored when so many have been gathered."""


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
    size: int = 0
    """The bytes it was read from."""


def gathered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Join batches whose trades lie scattered over many blocks.

    A block is read and stored once for each batch with trades in it: a book in order of ID gains
    nothing from larger batches, one in no order is loaded several times as fast.
    """
    parts: list[Batch] = []
    for batch in batches:
        if parts and not _fits(parts, batch):
            yield _one(parts)
            parts = []
        parts.append(batch)
        if not _scattered(batch.trades):
            yield _one(parts)
            parts = []
    if parts:
        yield _one(parts)


def _scattered(trades: Trades) -> bool:
    blocks = np.unique(np.asarray(trades.ids, dtype=np.int64) // BLOCK_SIZE)
    return len(blocks) * DENSE > len(trades.ids)


def _fits(parts: Sequence[Batch], batch: Batch) -> bool:
    # Each field would be a column for all: only those with the same are joined.
    same = parts[0].trades.columns.keys() == batch.trades.columns.keys()
    return (
        same
        and sum(len(part.trades.ids) for part in parts) < GATHERED_TRADES
        and sum(part.size for part in parts) < GATHERED_BYTES
    )


def _one(parts: Sequence[Batch]) -> Batch:
    return Batch(
        joined([part.trades for part in parts]),
        tuple(rejected for part in parts for rejected in part.rejected),
        sum(part.size for part in parts),
    )


async def load(
    cache: Cache, book: str, batches: Iterator[Batch], stored: Callable[[Batch], None]
) -> None:
    """Store each batch and then call ``stored`` with it.

    One after the other, as a later batch may replace trades of an earlier one; but the next is made
    in a thread meanwhile. Raises what ``batches`` raises and the errors of the cache, in a group.
    """
    batch = await to_thread.run_sync(next, batches, None)
    while batch is not None:
        async with anyio.create_task_group() as group:
            # A file without a good record makes no book.
            if len(batch.trades.ids):
                group.start_soon(cache.upsert, book, batch.trades)
            following = await to_thread.run_sync(next, batches, None)
        stored(batch)
        batch = following
