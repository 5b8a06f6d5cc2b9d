"""What the results of a job say of its trades: which have ended and how, and which have not.

The results are the truth, by which counts and manifest can be put right if the server loses them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.codec import encode_records
from engine.grid import Grid
from engine.ids import BLOCK_SIZE, Ids, partition_of
from engine.job import Job
from engine.outcome import Counts, Outcome
from engine.repair import Truth
from producer.results import Record, read_records

Again = Callable[[Record], bool]
"""Whether a trade that was not priced, of which this is the record, is to be tried again."""

_NONE: Ids = np.empty(0, dtype=np.int64)

_ENDS = (Outcome.PRICED, Outcome.REJECTED, Outcome.DEAD, Outcome.EXPIRED)
"""The outcomes that have a record."""


@dataclass(frozen=True, slots=True)
class Block:
    """What the results of one block say."""

    ended: Counts
    """Of the trades whose results stay."""
    unfinished: Ids = field(default_factory=lambda: _NONE)
    """Those that have no result."""
    lacking: Ids = field(default_factory=lambda: _NONE)
    """Those that have one, and are not in the manifest."""
    again: Sequence[Record] = ()
    """The results that are to be taken back."""
    dead: Sequence[int] = ()
    """The trades that are dead, those of ``again`` included."""
    kept: bytes | None = None
    """The records that stay, if not all do."""


def examine(job: Job, number: int, given: Ids, data: bytes | None, again: Again | None) -> Block:
    """Look at the results of a block, of whose trades the job was given these.

    Raises ServerError if they are none.
    """
    if data is None:
        return Block(Counts(), unfinished=given)
    records = read_records(job, number, data)
    # Of two that a trade should not have, the first is as good as the other.
    by_trade = {record["id"]: record for record in reversed(records)}
    counts = _counts(by_trade.values())
    if counts.priced == len(records) and by_trade.keys() == set(given.tolist()):
        return Block(counts)  # as nearly always
    taken = [r for r in by_trade.values() if again is not None and again(r)]
    gone = {record["id"] for record in taken}
    stay = [record for trade, record in by_trade.items() if trade not in gone]
    ended = np.array(sorted(record["id"] for record in stay), dtype=np.int64)
    seen = np.array(sorted(by_trade), dtype=np.int64)
    return Block(
        _counts(stay),
        np.setdiff1d(np.union1d(given, seen), ended, assume_unique=True),
        np.setdiff1d(seen, given, assume_unique=True),
        taken,
        [trade for trade, r in by_trade.items() if r.get("outcome") == Outcome.DEAD],
        encode_records(stay) if len(stay) < len(records) else None,
    )


def _counts(records: Iterable[Record]) -> Counts:
    found = Counter([record.get("outcome") for record in records])
    return Counts(**{str(end): found[end] for end in _ENDS})


@dataclass(slots=True)
class Examined:
    """What all results of a job say."""

    given: dict[int, Ids]
    """The manifest, with those that it lacks, in order of block."""
    truths: list[Truth]
    """By partition."""
    unfinished: list[tuple[int, Ids]] = field(default_factory=list)
    """Trades to be queued again, by block."""
    suspects: list[tuple[int, Ids]] = field(default_factory=list)
    """Those that were dead, likewise, which are not among the others."""
    kept: list[dict[int, bytes]] = field(default_factory=list)
    """By partition, the records that stay in blocks that lose some."""
    taken: dict[int, list[int]] = field(default_factory=dict)
    """The trades of those that they lose, by block."""

    @property
    def ended(self) -> Counts:
        """How many trades have which outcome, all partitions together."""
        return sum((truth.ended for truth in self.truths), Counts())

    def sound(self, counts: Counts) -> bool:
        """Whether all is as the counts of a job that is done say, and nothing is to be done."""
        same = all(getattr(self.ended, end) == getattr(counts, end) for end in _ENDS)
        whole = not any(truth.lacking or truth.void for truth in self.truths)
        return same and whole and not (self.unfinished or self.suspects or any(self.kept))


async def examine_all(
    grid: Grid, job: Job, manifest: Mapping[int, Ids], again: Again | None
) -> Examined:
    """Look at all results of a job; raises ServerError if they are none."""
    partitions = range(grid.partitions)
    numbers = sorted({*manifest, *await grid.jobs.blocks_of(job)})
    all_ = Examined({}, [Truth() for _ in partitions], kept=[{} for _ in partitions])
    dead: set[int] = set()
    async for number, data in grid.jobs.results(job, numbers):
        given = manifest.get(number, _NONE)
        block = examine(job, number, given, data, again)
        _take_in(all_, number, given, block)
        dead.update(block.dead)
    for letter in await grid.letters.of(job.name):
        if letter.trade not in dead:
            void = all_.truths[partition_of(letter.trade // BLOCK_SIZE, grid.partitions)].void
            void.append(letter.trade)
    return all_


def _take_in(all_: Examined, number: int, given: Ids, block: Block) -> None:
    """Add what a block says."""
    partition = partition_of(number, len(all_.truths))
    truth = all_.truths[partition]
    truth.ended += block.ended
    if len(block.lacking):
        truth.lacking[number] = block.lacking
    all_.given[number] = np.union1d(given, block.lacking)
    killers = [r["id"] for r in block.again if r.get("outcome") == Outcome.DEAD]
    suspects = np.array(sorted(killers), dtype=np.int64)
    rest = np.setdiff1d(block.unfinished, suspects, assume_unique=True)
    if len(rest):
        all_.unfinished.append((number, rest))
    if len(suspects):
        all_.suspects.append((number, suspects))
    if block.kept is not None:
        all_.kept[partition][number] = block.kept
        all_.taken[number] = [record["id"] for record in block.again]
