"""Looks at the grid: what is to be done, by whom, by when."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import structlog
from redis.exceptions import ResponseError

from engine.codec import decode_records
from engine.errors import ServerError
from engine.following import look_after
from engine.grid import Grid
from engine.job import Job, Lane, Progress
from engine.outcome import Counts
from engine.streams import is_damage
from infra.controller.model import Calls, Demand, Observation
from infra.pool.consumers import Count

ENDED = 120.0
"""Seconds for which a job that has ended is still told of, so that its last trades are counted."""

AGAIN = 60.0
"""Seconds after which a job that has ended is looked at again: it may have been resumed."""

QUIET = 60.0
"""Seconds without an outcome of a job after which entries of it are looked for in its lane."""

ENOUGH, SAMPLED = 10, 8
"""Entries that have ended before results tell what a trade takes, and blocks that are looked at:
the first entries wait for pricers to be compiled."""

SCANNED = 100_000
"""Entries looked through for that, at most: some tenths of a second."""

log = structlog.get_logger()


@dataclass(slots=True)
class Lookout:
    """Looks at one grid again and again, at what has ended less often."""

    grid: Grid
    lane: Lane
    """``realtime``, or ``bulk`` for all lanes of jobs."""
    is_ours: Callable[[str], bool] = bool
    """Whether a crew in the roster is the pool's."""
    _ended: dict[str, float] = field(default_factory=dict)
    """When to look again at jobs that have ended, by name."""
    _moved: dict[str, tuple[Counts, float]] = field(default_factory=dict)
    """The counts of open jobs, and since when they are the same."""
    _absent: set[str] = field(default_factory=set)
    """Jobs of whose entries the last scan of their lane has found none."""
    _scanned: float = -math.inf
    _took: dict[str, float | None] = field(default_factory=dict)
    """Slot-seconds a trade by results, which are read once for each kind."""

    async def look(self, count: Count) -> Observation:
        """See how things stand; ``count`` is what the pool says of its consumers.

        Raises what redis-py raises if the server is away.
        """
        now = await self.grid.jobs.now()
        demands, calls = [], None
        if self.lane is Lane.REALTIME:
            calls = await self._calls()
        else:
            await self._release()
            demands = await self._demands(now)
        ours, others = await self._serving()
        return Observation(
            now,
            demands,
            living=min(len(ours), count.living),
            slots=sum(ours[: count.living]),
            starting=max(count.living - len(ours), 0),
            others=others,
            calls=calls,
        )

    async def _serving(self) -> tuple[list[int], int]:
        """The slots of each consumer of the pool that serves, and those of all others."""
        ours, others = [], 0
        for each in await self.grid.roster.living():
            if self.lane not in each.lanes or each.draining:
                continue
            if self.is_ours(each.crew.partition("/")[0]):
                ours.append(each.slots)
            elif self.lane is not Lane.REALTIME:
                others += each.slots
        return sorted(ours, reverse=True), others

    async def _release(self) -> None:
        """Do what is due for jobs that wait for others: no consumer may be there to do it."""
        for name, token in (await self.grid.jobs.held()).items():
            try:
                await look_after(self.grid, name, token)
            except (ServerError, ValueError, ResponseError) as error:
                if isinstance(error, ResponseError) and not is_damage(error):
                    raise
                log.error("cannot look after a job that waits", job=name, error=str(error))
                await self.grid.jobs.let_go(name, token)

    async def _demands(self, now: float) -> list[Demand]:
        """What jobs still ask for, in the order in which consumers come to it."""
        names = await self.grid.jobs.names()
        self._ended = {name: at for name, at in self._ended.items() if at > now}
        found = []
        for name in names:
            if name in self._ended:
                continue
            progress = await self._progress(name)
            if progress is None:
                continue
            if progress.ended and now - progress.settled_at > ENDED:
                self._ended[name] = now + AGAIN
            else:
                found.append(progress)
        found.sort(key=_order)
        lost = await self._lost(found, now)
        for progress in found:
            await self._see_results(progress)
        return [
            _demand(
                progress, lost=progress.job.name in lost, took=self._took.get(kind_of(progress.job))
            )
            for progress in found
        ]

    async def _see_results(self, progress: Progress) -> None:
        """Note what trades took that were priced, maybe long before anybody looked."""
        job, kind = progress.job, kind_of(progress.job)
        if kind in self._took or progress.counts.priced < ENOUGH * job.chunk:
            return
        try:
            blocks = await self.grid.jobs.blocks_of(job)
            # From all over the book: what is dear may stand together.
            some = blocks[:: -(-len(blocks) // SAMPLED) or 1]
            read = [data async for _, data in self.grid.jobs.results(job, some) if data]
            took = [each["ms"] for data in read for each in decode_records(data) if "ms" in each]
            self._took[kind] = fmean(took) / 1000 or None
        except (ServerError, ValueError, TypeError, ResponseError) as error:
            if isinstance(error, ResponseError) and not is_damage(error):
                raise
            self._took[kind] = None
            log.warning("results cannot be read", job=job.name, error=str(error))

    async def _lost(self, found: Sequence[Progress], now: float) -> set[str]:
        """Jobs that have trades left though their lane has no entries of them: a server's loss.

        Entries are queued and settled together with the counts. So where a job's counts are the
        same before and after its lane was seen without them, nobody was just about to end it.
        """
        open_ = [each for each in found if each.counts.in_flight > 0 and not each.held_back]
        if not open_:
            return set()
        try:
            backlog = await self.grid.streams.backlog([Lane.HIGH, Lane.BULK])
            await self._scan(self._quiet(open_, now), now)
        except ResponseError as error:
            if not is_damage(error):
                raise
            return set()
        lost = set()
        for before in open_:
            if backlog.get(before.job.lane) and before.job.name not in self._absent:
                continue
            after = await self._progress(before.job.name)
            if after is not None and after.counts == before.counts and not after.held_back:
                lost.add(before.job.name)
        return lost

    def _quiet(self, open_: Sequence[Progress], now: float) -> list[Job]:
        """Those that nothing has become of for a while: they wait their turn, or are lost."""
        moved = {}
        for each in open_:
            counts, since = self._moved.get(each.job.name, (None, now))
            moved[each.job.name] = each.counts, since if counts == each.counts else now
        self._moved = moved
        # What moves again has entries, resumed or not.
        quiet = [each.job for each in open_ if now - moved[each.job.name][1] >= QUIET]
        self._absent &= {job.name for job in quiet}
        return quiet

    async def _scan(self, quiet: Sequence[Job], now: float) -> None:
        """Note which of these jobs have no entry in their lane, once in ``QUIET`` seconds."""
        if not quiet or now < self._scanned + QUIET:
            return
        self._scanned = now
        absent = set()
        for lane in {job.lane for job in quiet}:
            names = {job.name for job in quiet if job.lane is lane}
            absent |= await self.grid.streams.without_entries(lane, names, SCANNED)
        self._absent = absent

    async def _progress(self, name: str) -> Progress | None:
        try:
            job = await self.grid.jobs.get(name)
            return await self.grid.jobs.progress(job) if job is not None else None
        except (ServerError, ValueError, ResponseError) as error:
            if isinstance(error, ResponseError) and not is_damage(error):
                raise
            log.warning("a job cannot be read", job=name, error=str(error))
            return None

    async def _calls(self) -> Calls:
        calls = self.grid.calls
        # Told by Redis 7 and Valkey; without it only calls that wait too long show.
        arrived = await calls.queued_ever() or 0
        inside, oldest = await calls.backlog([self.lane]), await calls.oldest([self.lane])
        return Calls(arrived, inside[self.lane], oldest[self.lane])


def _order(progress: Progress) -> tuple[bool, bool, float]:
    """As consumers come to jobs: the higher lane first, then who stands in the stream first."""
    lane = progress.job.lane is not Lane.HIGH
    return lane, progress.held_back, progress.released_at or progress.job.submitted_at


def _demand(progress: Progress, *, lost: bool, took: float | None) -> Demand:
    job, counts = progress.job, progress.counts
    due = job.by if job.by is not None and math.isfinite(job.by) else None
    return Demand(
        job.name,
        kind_of(job),
        left=0 if progress.ended else max(counts.in_flight, 0),
        ended=counts.ended - counts.cancelled,
        chunk=max(job.chunk, 1),
        due=due,
        since=progress.released_at or job.submitted_at,
        held=progress.held_back,
        lost=lost,
        took=took,
    )


def kind_of(job: Job) -> str:
    """What decides the cost of a job's trades, in words."""
    told = {"paths": job.paths, "accuracy": job.accuracy, **job.options}
    words = [f"{name}={value}" for name, value in sorted(told.items()) if value is not None]
    return " ".join([job.algorithm, f"book={job.book}", *words])[:200]
