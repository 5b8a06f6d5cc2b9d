"""From entries as delivered to work for the slots: looks up their jobs and trades, and ends those
that are not to be priced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog
from redis.exceptions import ResponseError

from consumer.holdings import Held
from consumer.pricers import Pricers
from consumer.slot_process import ProcessDied
from engine import telemetry
from engine.chunk import Chunk, refuse_chunk
from engine.decisions import Verdict, halves, judge
from engine.entry import Entry, Settlement, Unreadable, unfit
from engine.grid import Grid
from engine.ids import Ids, by_block, parse_ids
from engine.job import Job, Lane
from engine.letter import Letter
from engine.outcome import Outcome
from engine.pricing.pricer import Request
from engine.streams import is_damage

DELIVERIES = 10
"""After so many a chunk is split, and a single trade dead: what kills machines must end too."""

Blocks = Mapping[int, bytes | None]
"""Block number -> its bytes, None for one that is not there."""

log = structlog.get_logger()


class Behind(NamedTuple):
    """What an entry has behind it when it begins."""

    spent: int
    lapsed: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of some entries."""

    held: Sequence[Held] = ()
    """To be priced."""
    settlements: Sequence[Settlement] = ()
    """Ended without being priced."""
    elsewhere: Sequence[Entry] = ()
    """To be left to others, who may have the pricer that is missing here."""


@dataclass(slots=True)
class Fetcher:
    """Prepares entries for the slots."""

    grid: Grid
    pricers: Pricers
    attempts: int
    """Deaths of its process after which a chunk is split and a single trade is dead."""

    async def prepare(self, messages: Sequence[Entry | Unreadable]) -> Fetched:
        """Look up all that the pricing of these entries takes.

        Raises what the client raises when the server is away; then call it again.
        """
        try:
            return await self._prepare(messages)
        except (ValueError, ResponseError) as error:
            if not is_damage(error):
                raise
            if len(messages) == 1:
                # It leads to counts that are none, so it could not be settled either.
                await self._put_aside(messages[0], str(error))
                return Fetched()
        alone = [await self.prepare([message]) for message in messages]
        return Fetched(
            [held for fetched in alone for held in fetched.held],
            [settlement for fetched in alone for settlement in fetched.settlements],
            [entry for fetched in alone for entry in fetched.elsewhere],
        )

    async def _prepare(self, messages: Sequence[Entry | Unreadable]) -> Fetched:
        todo: list[tuple[Entry, Ids]] = []
        aside: list[tuple[Entry | Unreadable, str]] = []
        settlements: list[Settlement] = []
        for message in messages:
            if isinstance(message, Unreadable):
                aside.append((message, message.reason))
                continue
            try:
                ids = parse_ids(message.ids)
            except ValueError as error:
                aside.append((message, str(error)))
                continue
            # A delivery proves no attempt: answers are lost, and consumers die of other causes.
            verdict = judge(attempts=message.delivered, trades=len(ids), limit=DELIVERIES)
            if verdict is Verdict.PRICE:
                todo.append((message, ids))
            else:
                reason = f"whoever had it ended without an outcome, {DELIVERIES} times"
                # Deliveries count anew for the halves, which stay suspect.
                settlements += await self._retire(
                    message, ids, verdict, Behind(message.spent, 1), reason
                )
        fetched = await self._look_up(todo)
        # Last, since this alone would happen twice if the rest had to be done again.
        for message, reason in aside:
            await self._put_aside(message, reason)
        return replace(fetched, settlements=[*settlements, *fetched.settlements])

    async def after_death(self, held: Held, died: ProcessDied) -> Sequence[Settlement]:
        """Have another attempt made at an entry that has killed its process, or end it (G5)."""
        ids = held.chunk.ids
        spent = held.entry.spent + 1
        verdict = judge(attempts=spent + 1, trades=len(ids), limit=self.attempts)
        if verdict is Verdict.SPLIT:
            # A half has one attempt before it is split in turn.
            spent = self.attempts - 1
        behind = Behind(spent, held.entry.delivered - 1)
        return await self._retire(held.entry, ids, verdict, behind, str(died), died.traceback)

    async def _retire(
        self,
        entry: Entry,
        ids: Ids,
        verdict: Verdict,
        behind: Behind,
        reason: str,
        traceback: str = "",
    ) -> Sequence[Settlement]:
        """Replace an entry by others that have so much behind them, or end its trade."""
        streams, name = self.grid.streams, self.pricers.consumer
        log.warning("an attempt was in vain", job=entry.job, ids=entry.ids, reason=reason)
        match verdict:
            case Verdict.PRICE:
                await streams.replace(name, entry, [entry.ids], behind.spent, behind.lapsed)
            case Verdict.SPLIT:
                await streams.replace(name, entry, halves(ids), behind.spent, behind.lapsed)
            case Verdict.BURY:
                reason = f"given up after {entry.attempts} attempts: {reason}"
                return [_dead(entry, ids, reason, name, traceback)]
        return []

    async def _look_up(self, todo: Sequence[tuple[Entry, Ids]]) -> Fetched:
        epochs = await self.grid.jobs.epochs_of([(entry.partition, entry.job) for entry, _ in todo])
        current = [work for work, epoch in zip(todo, epochs, strict=True) if work[0].epoch == epoch]
        # The others were cancelled, resumed or expired since; settling one has no effect but to
        # delete it.
        settlements = [
            Settlement(entry, 0, {})
            for (entry, _), epoch in zip(todo, epochs, strict=True)
            if entry.epoch != epoch
        ]
        jobs = {entry.job: entry.lane for entry, _ in current}
        found = {name: await self._job(name, lane) for name, lane in jobs.items()}
        elsewhere = [entry for entry, _ in current if found[entry.job] is None]
        current = [work for work in current if found[work[0].job] is not None]
        numbers: dict[str, set[int]] = {}
        for entry, ids in current:
            job = found[entry.job]
            if isinstance(job, Job):
                numbers.setdefault(job.book, set()).update(number for number, _ in by_block(ids))
        books = {book: await self._blocks(book, wanted) for book, wanted in numbers.items()}
        held: list[Held] = []
        for entry, ids in current:
            job = found[entry.job]
            blocks = books[job.book] if isinstance(job, Job) else str(job)
            if isinstance(job, Job) and not isinstance(blocks, str):
                held.append(_held(entry, ids, job, blocks))
            else:
                settlements.append(_rejected(entry, ids, str(blocks)))
        return Fetched(held, settlements, elsewhere)

    async def _job(self, name: str, lane: Lane) -> Job | str | None:
        """A job that can be priced, or why it cannot; None if another consumer may be able to.

        Asked for each time: a name may come to stand for another job.
        """
        try:
            job = await self.grid.jobs.get(name)
            if job is None:
                return f"job {name} is not known"
        except (ValueError, ResponseError) as error:
            if not is_damage(error):
                raise
            return f"job {name} cannot be read: {error}"
        pricer = await self.pricers.find(job.algorithm, lane, job.pricer_version)
        return pricer if pricer is None or isinstance(pricer, str) else job

    async def _blocks(self, book: str, numbers: Iterable[int]) -> Blocks | str:
        """Blocks of a book, or why they cannot be had."""
        try:
            return await self.grid.cache.read(book, sorted(numbers))
        except ResponseError as error:
            if not is_damage(error):
                raise
            return f"book {book} cannot be read: {error}"

    async def _put_aside(self, message: Entry | Unreadable, reason: str) -> None:
        log.error("put aside", entry=message.entry_id, reason=reason)
        telemetry.unreadable.add(1, str(message.lane))
        unreadable = unfit(message, reason) if isinstance(message, Entry) else message
        await self.grid.streams.put_aside(unreadable)


def _held(entry: Entry, ids: Ids, job: Job, blocks: Blocks) -> Held:
    return Held(
        entry,
        job,
        Chunk(
            ids,
            {number: blocks[number] for number, _ in by_block(ids)},
            Request(job.seed, job.paths, job.accuracy, job.options),
            job.failure,
            entry.attempts,
        ),
    )


def _rejected(entry: Entry, ids: Ids, reason: str) -> Settlement:
    records = refuse_chunk(ids, Outcome.REJECTED, reason, entry.attempts)
    return Settlement(entry, 0, records, rejected=len(ids))


def _dead(entry: Entry, ids: Ids, reason: str, consumer: str, traceback: str) -> Settlement:
    records = refuse_chunk(ids, Outcome.DEAD, reason, entry.attempts)
    letters = [Letter(i, reason, entry.attempts, consumer, traceback) for i in ids.tolist()]
    return Settlement(entry, 0, records, letters=letters)
