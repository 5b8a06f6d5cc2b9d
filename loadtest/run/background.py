"""The jobs beside: one after the other, so that there is always something to price."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

from engine import keys
from engine.cancel import cancel
from engine.connection import text
from engine.entry import Entry
from engine.grid import Grid
from engine.ids import parse_ids
from engine.job import Job, Lane
from engine.outcome import Counts
from loadtest import record
from loadtest.scenario import BulkPart
from producer.generate import batches
from producer.load import Batch, load
from producer.submit import submit

BATCH = 2_000

PAGE = 1_000

AHEAD = 0.5
"""Of a job that is left when the next one is queued."""

KEEP_DAYS = 1.0
"""For which a server remembers jobs of a test that has died."""


@dataclass(slots=True)
class Background:
    """Keeps jobs running; to be told to look some times a second."""

    grid: Grid
    part: BulkPart
    name: str
    """Of its book, and the beginning of its jobs' names."""
    seed: int
    ended: Counts = field(default_factory=Counts)
    """Of the jobs that were forgotten."""
    counts: Counts = field(default_factory=Counts)
    """Of all jobs."""
    lost: int = 0
    """Trades that have no outcome and are not queued; known at the end."""
    _jobs: list[Job] = field(default_factory=list)
    _number: int = 0

    async def begin(self) -> None:
        """Make the book and queue the first job."""
        made = map(Batch, batches(self.seed, 0, self.part.trades, BATCH))
        await load(self.grid.cache, self.name, made, lambda _batch: None)
        await self._submit()

    async def look(self) -> None:
        """See how far it is, and queue the next job in time."""
        seen = [await self.grid.jobs.progress(job) for job in self._jobs]
        for progress in seen:
            if progress.ended:
                self.ended += progress.counts
                self._jobs.remove(progress.job)
                await self._forget(progress.job)
        running = [progress.counts for progress in seen if not progress.ended]
        self.counts = sum(running, self.ended)
        if sum(counts.in_flight for counts in running) < AHEAD * self.part.trades:
            await self._submit()

    async def end(self, *, audit: bool) -> Counts:
        """Cancel what is left, and leave nothing behind; returns what came of all trades.

        With ``audit``, for which all consumers must have left, trades that are in none of the
        queued entries are noted as ``lost``.
        """
        while self._jobs:
            job = self._jobs[-1]
            if audit:
                in_flight = (await self.grid.jobs.progress(job)).counts.in_flight
                self.lost += in_flight - await self._queued(job)
            self.ended += (await cancel(self.grid, job)).counts
            self._jobs.pop()
            await self._forget(job)
        await self.grid.cache.drop(self.name)
        self.counts = self.ended
        return self.ended

    async def _queued(self, job: Job) -> int:
        """How many trades of a job lie in its lane."""
        trades = 0
        for partition in range(self.grid.partitions):
            first = "-"
            lane = keys.stream(partition, job.lane)
            while found := await self.grid.redis.xrange(lane, first, "+", PAGE):
                for entry_id, fields in cast("Sequence[tuple[bytes, dict[bytes, bytes]]]", found):
                    first = f"({text(entry_id)}"
                    entry = self.grid.streams.read(partition, job.lane, entry_id, fields)
                    if isinstance(entry, Entry) and entry.job == job.name:
                        trades += len(parse_ids(entry.ids))
        return trades

    async def _submit(self) -> None:
        self._number += 1
        part = self.part
        job = Job(
            f"{self.name}-{self._number}",
            part.algorithm,
            book=self.name,
            lane=Lane(part.lane),
            seed=self.seed,
            paths=part.paths,
            accuracy=part.accuracy,
            chunk=part.chunk,
            options=dict(part.options),
        )
        self._jobs.append((await submit(self.grid, job, keep_days=KEEP_DAYS)).job)

    async def _forget(self, job: Job) -> None:
        """Delete a job of ours and its results: an hour of them would fill the server."""
        own = [keys.job(job.name)]
        for partition in range(self.grid.partitions):
            own += [
                keys.counts(partition, job.name),
                keys.manifest(partition, job.name),
                keys.results(partition, job.name),
                keys.dead(partition, job.name),
            ]
        pipe = self.grid.redis.pipeline(transaction=False)
        for key in own:
            pipe.unlink(key)
        pipe.zrem(keys.jobs(), job.name)
        await pipe.execute()


def as_record(seen: Sequence[tuple[float, Counts]], final: Counts) -> record.Bulk:
    """What came of the jobs.

    ``seen`` are the first and the last look within the measurement, by which the rate is told.
    """
    seconds = seen[-1][0] - seen[0][0] if seen else 0.0
    priced = seen[-1][1].priced - seen[0][1].priced if seen else 0
    rate = priced / seconds if seconds > 0 else None
    return record.Bulk(**asdict(final), seconds=seconds, rate=rate)
