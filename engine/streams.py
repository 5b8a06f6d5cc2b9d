"""The streams of the jobs: entries queued, taken, leased, settled. With ``group``, which does what
they and realtime's have in common, the one module that speaks to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import OutOfMemoryError, ResponseError

from engine import keys, scripts
from engine.connection import text
from engine.entry import Chunks, Entry, Settlement, Unreadable, read_entry
from engine.group import Group, is_no_group
from engine.job import Job, Lane
from engine.scripts import Call, Script

_ENQUEUE, _SETTLE = Script("enqueue"), Script("settle")
_REPLACE, _SWEEP, _RELEASE = Script("replace"), Script("sweep"), Script("release")

SWEEP_PAGE = 1000
"""Entries looked at in one call when a job's entries are deleted: about a millisecond of Redis."""

RELEASE_PAGE = 200
"""Entries moved in one call when a job is released: about a millisecond of Redis."""


@dataclass(frozen=True, slots=True)
class Streams(Group[Entry]):
    """The streams of one server."""

    def read(
        self,
        partition: int,
        lane: Lane,
        entry_id: bytes,
        fields: Mapping[bytes, bytes],
        deliveries: int = 1,
    ) -> Entry | Unreadable:
        return read_entry(partition, lane, entry_id, fields, deliveries)

    async def enqueue(self, job: Job, chunks: Chunks, submitter: str) -> bool:
        """Queue chunks; False if somebody else has submitted, resumed or cancelled meanwhile.

        Those of a job that waits for another are held back until it is released.
        ``submitter`` is a name of the caller's own, by which a call that the client repeats because
        its answer was lost is known. Raises OutOfMemoryError if the server is full.
        """
        manifest: list[str | int] = []
        for number, ids in chunks.manifest.items():
            manifest += [number, ids]
        call = Call(
            _ENQUEUE,
            [
                keys.stream(chunks.partition, job.lane),
                keys.counts(chunks.partition, job.name),
                keys.manifest(chunks.partition, job.name),
                *([keys.held(chunks.partition, job.name)] if job.after is not None else []),
            ],
            [
                submitter,
                job.name,
                chunks.epoch,
                chunks.submitted_before,
                chunks.trades,
                job.expires_at,
                chunks.lapsed,
                len(chunks.ids),
                *chunks.ids,
                *manifest,
            ],
        )
        try:
            return bool(await scripts.run_one(self.redis, call))
        except ResponseError as error:
            # Redis 6.2 wraps what a command within a script was answered.
            if "OOM command not allowed" in str(error):
                raise OutOfMemoryError(str(error)) from error
            raise

    async def settle(self, settlements: Sequence[Settlement]) -> list[int | Exception]:
        """Settle entries: 1 done, 0 no longer pending, -1 of a past epoch, or what went wrong."""
        results = await scripts.run(self.redis, *map(_settle, settlements))
        return [0 if is_no_group(result) else result for result in results]

    async def hand_back(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Give entries back unpriced, to be delivered to others at once; costs no attempt.

        What is suspect stays so, and what the consumer has lost is left to whoever has it now.
        """
        calls = [
            _replace(consumer, entry, [entry.ids], entry.spent, entry.delivered - 1)
            for entry in entries
        ]
        await self._replace_all(calls)

    async def replace(
        self, consumer: str, entry: Entry, parts: Sequence[str], spent: int, lapsed: int = 0
    ) -> None:
        """Put entries with parts of its IDs in the place of one that the consumer holds.

        ``spent`` and ``lapsed`` are what they have behind them.
        """
        await self._replace_all([_replace(consumer, entry, parts, spent, lapsed)])

    async def sweep(self, job: Job, partition: int) -> int:
        """Delete a job's entries of earlier epochs; return how many there were."""
        deleted = await self._sweep(job, partition, keys.stream(partition, job.lane), keys.GROUP)
        if job.after is not None:
            deleted += await self._sweep(job, partition, keys.held(partition, job.name), "")
        return deleted

    async def without_entries(self, lane: Lane, jobs: Collection[str], most: int) -> set[str]:
        """Those of some jobs that a lane has no entry of, in no partition.

        Looks at ``most`` entries at most; none is said to be without where there are more.
        """
        left, looked = set(jobs), 0
        for partition in range(self.partitions):
            first = "-"
            while left:
                stream = keys.stream(partition, lane)
                page: Any = await self.redis.xrange(stream, first, "+", SWEEP_PAGE)
                left -= {text(fields.get(b"job", b"")) for _, fields in page}
                looked += len(page)
                if len(page) < SWEEP_PAGE:
                    break
                if looked >= most:
                    return set()
                first = f"({text(page[-1][0])}"
        return left

    async def release(self, job: Job, partition: int) -> None:
        """Put a job's entries that were held back into its lane.

        It may be cut short anywhere and done by several at once: each entry gets there once.
        """
        call = Call(
            _RELEASE,
            [
                keys.held(partition, job.name),
                keys.stream(partition, job.lane),
                keys.counts(partition, job.name),
            ],
            [job.expires_at, RELEASE_PAGE],
        )
        while await scripts.run_one(self.redis, call):
            pass

    async def _sweep(self, job: Job, partition: int, stream: str, group: str) -> int:
        first, deleted = "-", 0
        while True:
            call = Call(
                _SWEEP,
                [stream, keys.counts(partition, job.name)],
                [group, job.name, first, SWEEP_PAGE],
            )
            last, found = await scripts.run_one(self.redis, call)
            deleted += int(found)
            if last is None:
                return deleted
            first = f"({last.decode()}"

    async def _replace_all(self, calls: Sequence[Call]) -> None:
        for result in await scripts.run(self.redis, *calls):
            if isinstance(result, Exception) and not is_no_group(result):
                raise result


def _settle(settlement: Settlement) -> Call:
    entry = settlement.entry
    letters: list[str | bytes | int] = []
    for letter in settlement.letters:
        letters += [letter.trade, letter.to_json()]
    records: list[str | bytes | int] = []
    for number, lines in settlement.records.items():
        records += [number, lines]
    return Call(
        _SETTLE,
        [
            entry.stream,
            keys.counts(entry.partition, entry.job),
            keys.results(entry.partition, entry.job),
            keys.dead(entry.partition, entry.job),
        ],
        [
            keys.GROUP,
            entry.entry_id,
            entry.epoch,
            settlement.expires_at,
            settlement.priced,
            settlement.rejected,
            settlement.dead,
            settlement.expired,
            len(settlement.letters),
            *letters,
            *records,
        ],
    )


def _replace(consumer: str, entry: Entry, parts: Sequence[str], spent: int, lapsed: int) -> Call:
    return Call(
        _REPLACE,
        [entry.stream, keys.counts(entry.partition, entry.job)],
        [keys.GROUP, consumer, entry.entry_id, entry.job, entry.epoch, spent, lapsed, *parts],
    )


def is_damage(error: Exception) -> bool:
    """Whether somebody has put something else under our keys."""
    return isinstance(error, ValueError) or (
        isinstance(error, ResponseError) and "WRONGTYPE" in str(error)
    )
