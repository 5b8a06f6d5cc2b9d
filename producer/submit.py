"""Submitting a job: its trades looked up in the book and queued, exactly once each.

A submission that was killed anywhere can be taken up: the manifest, which each batch of entries
writes in its own step, tells what is queued already.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from redis.exceptions import OutOfMemoryError

from engine.entry import Chunks
from engine.errors import ServerFull, UsageError
from engine.grid import Grid
from engine.ids import MAX_IDS, Ids, by_block, format_ids, partition_of
from engine.job import Job
from engine.jobs import Standing
from engine.names import check_name
from producer.plan import Blocks, Span, Wanted, batches_of, chunks_of, wanted_of

Advance = Callable[[int], None]
"""Told how many more trades are queued."""

DAY = 24 * 60 * 60
"""Seconds."""


def no_advance(_count: int) -> None:
    """For those who do not show how far it is."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job whose trades are all queued."""

    job: Job
    total: int
    """Trades."""
    missing: int
    """How many of them the book does not hold."""


@dataclass(slots=True)
class Submitter:
    """Queues trades of one job, in the partitions as it has found them."""

    grid: Grid
    job: Job
    standings: list[Standing]
    advance: Advance = no_advance
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    queued: int = 0
    """Trades."""

    async def queue(self, blocks: Blocks, *, new: bool, suspect: bool = False) -> None:
        """Queue trades; ``new`` writes them into the manifest, where others stand already.

        Each that is ``suspect`` gets an entry of its own, and is priced in a process.
        Raises UsageError if somebody else has submitted, resumed or cancelled the job meanwhile,
        and ServerFull if the server is full.
        """
        partitions, size = self.grid.partitions, 1 if suspect else min(self.job.chunk, MAX_IDS)
        for partition, chunks in batches_of(chunks_of(blocks, partitions, size), partitions, size):
            try:
                await self._queue_batch(partition, chunks, new=new, suspect=suspect)
            except OutOfMemoryError as error:
                raise full(self.job, f"{self.queued} trades were queued just now") from error

    async def _queue_batch(
        self, partition: int, chunks: Sequence[Ids], *, new: bool, suspect: bool
    ) -> None:
        standing = self.standings[partition]
        ids = np.concatenate(chunks)
        manifest = {n: format_ids(part) for n, part in by_block(ids)} if new else {}
        batch = Chunks(
            partition,
            standing.epoch,
            standing.submitted,
            len(ids),
            [format_ids(chunk) for chunk in chunks],
            manifest,
            lapsed=int(suspect),
        )
        if not await self.grid.streams.enqueue(self.job, batch, self.name):
            raise overtaken(self.job)
        self.standings[partition] = replace(standing, submitted=standing.submitted + len(ids))
        self.queued += len(ids)
        self.advance(len(ids))


def overtaken(job: Job) -> UsageError:
    """The error for somebody else's having acted on a job meanwhile."""
    return UsageError(
        f"job {job.name} was submitted, resumed or cancelled by somebody else meanwhile: "
        f"`azfinsim job status {job.name}` tells how far it is, and "
        f"`azfinsim job resume {job.name}` queues what is missing"
    )


def full(job: Job, done: str) -> ServerFull:
    """The error for a server that fills up while a job is being queued."""
    return ServerFull(
        f"the Redis server is full (its maxmemory is reached): {done}. Give it more memory, drop a "
        f"book or let consumers work, then run `azfinsim job resume {job.name}`"
    )


async def wanted_trades(grid: Grid, job: Job) -> Wanted:
    """The trades that a job asks for, looked up in its book.

    Raises UsageError if there is no such book, it is empty, or it holds none of them.
    """
    span = Span.parse(job.trades) if job.trades is not None else None
    books = await grid.cache.books()
    if job.book not in books:
        known = f"there are {', '.join(books)}" if books else "there is none yet"
        raise UsageError(
            f"there is no book {job.book!r}, {known}: `azfinsim book generate` or "
            "`azfinsim book inject` makes one"
        )
    index = await grid.cache.index(job.book)
    if job.extent is not None:
        index = Span.parse(job.extent).within(index)
    return wanted_of(job.book, index, span)


async def submit(
    grid: Grid, request: Job, *, keep_days: float = 7, advance: Advance = no_advance
) -> Submitted:
    """Write a job down and queue its trades; take it up if a submission of it was cut short.

    ``request`` is the job without its times, which are by the server's clock: the server forgets
    it after ``keep_days``. Raises UsageError for a name that is taken, a book without these trades,
    a job to follow that is not there, or if somebody else acts on the job meanwhile, and ServerFull
    if the server is full.
    """
    check_name("job", request.name)
    first = await _first(grid, request)
    wanted = await wanted_trades(grid, request)
    now = await grid.jobs.now()
    if first is not None:
        # A job never follows a younger one; the nodes of a cluster differ by some milliseconds.
        now = max(now, first.submitted_at)
    extent = str(Span.of(wanted.index)) if wanted.span is None else None
    job = replace(request, extent=extent, submitted_at=now, expires_at=int(now + keep_days * DAY))
    try:
        created = await grid.jobs.create(job)
    except OutOfMemoryError as error:
        raise ServerFull(
            "the Redis server is full (its maxmemory is reached): nothing was queued. Give it more "
            "memory or drop a book, then submit again"
        ) from error
    if not created:
        job = await _taken_up(grid, job)
        wanted = await wanted_trades(grid, job)
    submitter = Submitter(grid, job, await grid.jobs.standings(job), advance)
    given = await grid.jobs.manifest(job)
    _check_standings(job, submitter.standings, given)
    if job.after is not None:
        await grid.jobs.hold(job)
    await submitter.queue(wanted.besides(given), new=True)
    total = submitter.queued + sum(map(len, given.values()))
    await seal(grid, job, total)
    return Submitted(job, total, wanted.missing)


async def _first(grid: Grid, request: Job) -> Job | None:
    """The job that this one is to follow, if any."""
    if request.after is None:
        return None
    try:
        return await find(grid, request.after)
    except UsageError as error:
        raise UsageError(f"{'--after-any' if request.after_any else '--after'}: {error}") from error


async def seal(grid: Grid, job: Job, total: int) -> None:
    """Note that all trades of a job are queued; raises ServerFull if the server is full."""
    try:
        await grid.jobs.seal(job, total)
    except OutOfMemoryError as error:
        raise full(job, "all trades are queued, but that could not be noted") from error


async def _taken_up(grid: Grid, request: Job) -> Job:
    """The job of this name, if it is this one and its submission was cut short."""
    stored = await find(grid, request.name)
    if _asked(stored) != _asked(request) or (await grid.jobs.progress(stored)).total is not None:
        raise UsageError(
            f"a job named {request.name} exists already: choose another name, or see "
            f"`azfinsim job status {request.name}`"
        )
    await grid.jobs.ensure_epochs(stored)
    return stored


async def find(grid: Grid, name: str) -> Job:
    """The job of this name.

    Raises UsageError if there is none, or what is stored is no job.
    """
    check_name("job", name)
    try:
        job = await grid.jobs.get(name)
    except ValueError as error:
        raise UsageError(f"job {name} cannot be read: {error}") from error
    if job is None:
        raise UsageError(f"there is no job {name}: `azfinsim job list` shows those there are")
    return job


def _asked(job: Job) -> Job:
    """What the user has asked for, without what differs each time."""
    # By when it is to be done changes nothing of what is done, and ``+2h`` is another time by now.
    return replace(
        job,
        extent=None,
        submitted_at=0.0,
        expires_at=0,
        by=None,
        pricer_version="",
        azfinsim_version="",
    )


def _check_standings(job: Job, standings: Sequence[Standing], given: dict[int, Ids]) -> None:
    """Leave a job alone that was cancelled, or whose resumption was cut short."""
    if any(standing.cancelled for standing in standings):
        raise UsageError(
            f"job {job.name} is cancelled: `azfinsim job resume {job.name}` revives it"
        )
    held = [0] * len(standings)
    for number, ids in given.items():
        held[partition_of(number, len(standings))] += len(ids)
    if held != [standing.submitted for standing in standings]:
        raise UsageError(
            f"somebody else submits or resumes job {job.name}, or was cut short: "
            f"`azfinsim job resume {job.name}` queues what is missing"
        )
