"""Which trades a job is to price, and how they are cut into chunks and batches. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.count import parse_count
from engine.errors import UsageError
from engine.ids import BLOCK_SIZE, MAX_ID, Ids, partition_of

Blocks = Iterable[tuple[int, Ids]]
"""Block numbers with trade IDs in them, in order."""

MAX_COUNT = 2**31
"""Trades that one range may ask for."""

MAX_MISSING = 1_000_000
"""Trades that a job may ask for and its book does not hold. Each of them costs the server an entry
and a result, and a count with a digit too many is sooner told than queued."""

_BATCH_CHUNKS = 200
"""Chunks queued in one call: about a millisecond of Redis."""

_BATCH_TRADES = 20_000
"""Trades queued in one call: some 350 kB at most, where no two IDs are neighbours."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of trade IDs, ``FIRST:COUNT``."""

    first: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read ``FIRST:COUNT``; raises UsageError if it is none."""
        first, count = (parse_count(part) for part in (text.partition(":")[::2]))
        if first is None or count is None:
            raise UsageError(f"trades {text[:60]!r}: must be FIRST:COUNT, such as 0:1000 or 0:10k")
        span = cls(first, count)
        if not 1 <= span.count <= MAX_COUNT:
            raise UsageError(f"trades {text[:60]!r}: COUNT must be at least 1 and at most 2**31")
        if span.last > MAX_ID:
            raise UsageError(f"trades {text[:60]!r}: the highest trade ID is {MAX_ID}")
        return span

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def __str__(self) -> str:
        return f"{self.first}:{self.count}"

    @classmethod
    def of(cls, index: Mapping[int, Ids]) -> "Span":
        """From the first to the last trade of a book that is not empty."""
        numbers = list(index)
        first, last = int(index[numbers[0]][0]), int(index[numbers[-1]][-1])
        return cls(first, last - first + 1)

    def within(self, index: Mapping[int, Ids]) -> dict[int, Ids]:
        """What of the index of a book lies in it."""
        found = {n: ids[(ids >= self.first) & (ids <= self.last)] for n, ids in index.items()}
        return {number: ids for number, ids in found.items() if len(ids)}

    def blocks(self) -> Iterator[tuple[int, Ids]]:
        """Its IDs by block, made one block at a time: a range may be far larger than memory."""
        for number in range(self.first // BLOCK_SIZE, self.last // BLOCK_SIZE + 1):
            start = max(number * BLOCK_SIZE, self.first)
            yield number, np.arange(start, min((number + 1) * BLOCK_SIZE, self.last + 1))

    def held(self, index: Mapping[int, Ids]) -> int:
        """How many of its IDs are in the index of a book."""
        first, last = self.first // BLOCK_SIZE, self.last // BLOCK_SIZE
        within = (ids for number, ids in index.items() if first <= number <= last)
        return sum(int(((ids >= self.first) & (ids <= self.last)).sum()) for ids in within)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The trades that a job is to price."""

    index: Mapping[int, Ids]
    """What its book holds."""
    span: Span | None
    """What of it; None for all."""
    missing: int
    """Trades asked for that the book does not hold."""

    def blocks(self) -> Blocks:
        """The IDs by block."""
        return self.index.items() if self.span is None else self.span.blocks()

    def besides(self, given: Mapping[int, Ids]) -> Blocks:
        """The IDs by block without those that the job was given already."""
        for number, ids in self.blocks():
            new = np.setdiff1d(ids, given[number], assume_unique=True) if number in given else ids
            if len(new):
                yield number, new


def wanted_of(book: str, index: Mapping[int, Ids], span: Span | None) -> Wanted:
    """Find the trades that a job asks for.

    Raises UsageError if the book is empty or holds none of them, or too many are not in it.
    """
    if not index:
        raise UsageError(
            f"book {book!r} is empty: `azfinsim book generate` or `azfinsim book inject` fills it"
        )
    if span is None:
        return Wanted(index, None, 0)
    held = span.held(index)
    if not held:
        raise UsageError(f"trades {span}: {_holdings(book, index)}, none of these")
    missing = span.count - held
    if missing > MAX_MISSING:
        raise UsageError(
            f"trades {span}: {_holdings(book, index)}, so that {missing} would be missing; "
            f"at most {MAX_MISSING} may be"
        )
    return Wanted(index, span, missing)


def chunks_of(blocks: Blocks, partitions: int, chunk: int) -> Iterator[tuple[int, Ids]]:
    """Cut trades into chunks of ``chunk``, each within one partition and in order of ID.

    Yields (partition, IDs); only the last chunk of a partition is smaller. Holds no more than a
    chunk and a block for each partition.
    """
    waiting = [_NONE] * partitions
    for number, ids in blocks:
        partition = partition_of(number, partitions)
        held = waiting[partition]
        ids = np.concatenate((held, ids)) if len(held) else ids
        whole = len(ids) // chunk * chunk
        for start in range(0, whole, chunk):
            yield partition, ids[start : start + chunk]
        waiting[partition] = ids[whole:]
    for partition, ids in enumerate(waiting):
        if len(ids):
            yield partition, ids


def batches_of(
    chunks: Iterable[tuple[int, Ids]], partitions: int, chunk: int
) -> Iterator[tuple[int, Sequence[Ids]]]:
    """Gather chunks of ``chunk`` into batches that are queued in one call.

    Yields (partition, chunks); a batch is small enough not to hold up the server for others.
    """
    size = min(max(_BATCH_TRADES // chunk, 1), _BATCH_CHUNKS)
    waiting: list[list[Ids]] = [[] for _ in range(partitions)]
    for partition, ids in chunks:
        waiting[partition].append(ids)
        if len(waiting[partition]) == size:
            yield partition, waiting[partition]
            waiting[partition] = []
    for partition, rest in enumerate(waiting):
        if rest:
            yield partition, rest


_NONE: Ids = np.empty(0, dtype=np.int64)


def _holdings(book: str, index: Mapping[int, Ids]) -> str:
    extent = Span.of(index)
    count = sum(map(len, index.values()))
    if count == extent.count:
        return f"book {book!r} holds trades {extent.first}-{extent.last}"
    return f"book {book!r} holds {count} trades between {extent.first} and {extent.last}"
