"""From entries as delivered to work for the slots: looks up their jobs and trades, and ends those
that are not to be priced."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from consumer.holdings import Held
from engine import telemetry
from engine.chunk import Chunk, refuse_chunk
from engine.decisions import Verdict, halves, judge
from engine.entry import Entry, Settlement, Unreadable
from engine.errors import UsageError
from engine.grid import Grid
from engine.ids import Ids, by_block, parse_ids
from engine.job import Job
from engine.outcome import Outcome
from engine.pricing.pricer import Request
from engine.pricing.registry import find

JOBS_REMEMBERED = 256

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of some entries."""

    held: Sequence[Held] = ()
    """To be priced."""
    settlements: Sequence[Settlement] = ()
    """Ended without being priced."""


@dataclass(slots=True)
class Fetcher:
    """Prepares entries for the slots."""

    grid: Grid
    attempts: int
    """Deliveries after which a chunk is split and a single trade is dead."""
    _jobs: OrderedDict[str, Job] = field(default_factory=OrderedDict)

    async def prepare(self, messages: Sequence[Entry | Unreadable]) -> Fetched:
        """Look up all that the pricing of these entries takes.

        Raises what the client raises when the server is away; then call it again.
        """
        todo: list[tuple[Entry, Ids]] = []
        settlements: list[Settlement] = []
        for message in messages:
            if isinstance(message, Unreadable):
                await self._put_aside(message)
                continue
            try:
                ids = parse_ids(message.ids)
            except ValueError as error:
                await self._put_aside(
                    Unreadable(message.partition, message.lane, message.entry_id, str(error))
                )
                continue
            verdict = judge(attempts=message.attempts, trades=len(ids), limit=self.attempts)
            if verdict is Verdict.PRICE:
                todo.append((message, ids))
            else:
                reason = "whoever had it ended without an outcome"
                settlements += await self._retire(
                    message, ids, verdict, message.attempts - 1, reason
                )
        held, refused = await self._look_up(todo)
        return Fetched(held, settlements + refused)

    async def after_death(self, held: Held, reason: str) -> Sequence[Settlement]:
        """Have another attempt made at an entry that has killed its process, or end it (G5)."""
        attempts = held.entry.attempts
        ids = held.chunk.ids
        verdict = judge(attempts=attempts + 1, trades=len(ids), limit=self.attempts)
        return await self._retire(held.entry, ids, verdict, attempts, reason)

    async def _retire(
        self, entry: Entry, ids: Ids, verdict: Verdict, attempts: int, reason: str
    ) -> Sequence[Settlement]:
        """Replace an entry by others, or end its trade; ``attempts`` were made in vain."""
        streams = self.grid.streams
        log.warning("an attempt was in vain", job=entry.job, ids=entry.ids, reason=reason)
        match verdict:
            case Verdict.PRICE:
                await streams.replace(entry, [entry.ids], attempts)
            case Verdict.SPLIT:
                # A half has one attempt before it is split in turn.
                await streams.replace(entry, halves(ids), self.attempts - 1)
            case Verdict.BURY:
                reason = f"given up after {attempts} attempts: {reason}"
                return [_refused(entry, ids, Outcome.DEAD, reason)]
        return []

    async def _look_up(
        self, todo: Sequence[tuple[Entry, Ids]]
    ) -> tuple[list[Held], list[Settlement]]:
        epochs = await self.grid.jobs.epochs_of([(entry.partition, entry.job) for entry, _ in todo])
        wanted: list[tuple[Entry, Ids, Job]] = []
        settlements: list[Settlement] = []
        for (entry, ids), epoch in zip(todo, epochs, strict=True):
            if entry.epoch != epoch:
                # Cancelled, resumed or expired since; settling it has no effect but to delete it.
                settlements.append(Settlement(entry, 0, {}))
                continue
            try:
                job = await self._job(entry.job)
                find(job.algorithm)
            except (ValueError, UsageError) as error:
                settlements.append(_refused(entry, ids, Outcome.REJECTED, str(error)))
                continue
            wanted.append((entry, ids, job))
        return await self._with_blocks(wanted), settlements

    async def _with_blocks(self, wanted: Sequence[tuple[Entry, Ids, Job]]) -> list[Held]:
        numbers: dict[str, list[int]] = {}
        for _, ids, job in wanted:
            numbers.setdefault(job.book, []).extend(number for number, _ in by_block(ids))
        books = {book: await self.grid.cache.read(book, n) for book, n in numbers.items()}
        return [
            Held(
                entry,
                job,
                Chunk(
                    ids,
                    {number: books[job.book][number] for number, _ in by_block(ids)},
                    Request(job.seed, job.paths, job.options),
                    job.failure,
                    entry.attempts,
                ),
            )
            for entry, ids, job in wanted
        ]

    async def _job(self, name: str) -> Job:
        """A job, remembered, since a job is immutable.

        Raises ValueError if what is stored is no job.
        """
        job = self._jobs.get(name)
        if job is None:
            job = await self.grid.jobs.get(name)
            if job is None:
                raise ValueError(f"job {name} is not known")
            self._jobs[name] = job
            if len(self._jobs) > JOBS_REMEMBERED:
                self._jobs.popitem(last=False)
        return job

    async def _put_aside(self, message: Unreadable) -> None:
        log.error("not an entry", entry=message.entry_id, reason=message.reason)
        telemetry.unreadable.add(1)
        await self.grid.streams.put_aside(message)


def _refused(entry: Entry, ids: Ids, outcome: Outcome, reason: str) -> Settlement:
    records = refuse_chunk(ids, outcome, reason, entry.attempts)
    count = len(ids)
    if outcome is Outcome.DEAD:
        return Settlement(entry, 0, records, dead=count)
    return Settlement(entry, 0, records, rejected=count)
