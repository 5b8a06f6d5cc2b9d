"""Resuming a job: what has no result is queued again, whatever became of it.

It may be run at any time and as often as one likes, and be killed anywhere: the fence comes first,
so that no trade can take effect twice, and until all is queued again the job counts as not wholly
submitted, so that it cannot pass for done. Counts and manifest are put right by the results: a
server that evicts keys, or loses the last seconds, may lose any of the three alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.decisions import Cancel, follow
from engine.errors import UsageError
from engine.following import first_of
from engine.grid import Grid
from engine.ids import Ids
from engine.job import Job, Progress, State
from engine.jobs import Standing
from engine.repair import recount, take_back
from producer.examine import Again, Examined, examine_all
from producer.plan import Wanted
from producer.submit import Advance, Submitter, no_advance, overtaken, seal, wanted_trades


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was done to resume a job."""

    queued_again: int
    """Trades that the job was given, and that had no result, or one that was taken back."""
    queued_first: int
    """Trades that a submission cut short had not come to."""


async def resume(
    grid: Grid,
    job: Job,
    *,
    at_once: bool = False,
    again: Again | None = None,
    advance: Advance = no_advance,
) -> Resumed:
    """Queue what has no result, and what ``again`` says of what has; nothing if there is none.

    Work that is queued or running is discarded and done again. A job that follows another waits
    for it, if it has not been released: unless ``at_once``. Raises UsageError if that one has not
    ended well, if the trades of a submission that was cut short are no longer to be found, or if
    somebody else acts on the job meanwhile, and ServerFull if the server is full.
    """
    progress = await grid.jobs.progress(job)
    if progress.state is not State.DONE and progress.held_back:
        await _check_order(grid, job, at_once=at_once)
    given = await grid.jobs.manifest(job)
    if progress.state is State.DONE:
        seen = await examine_all(grid, job, given, again)
        if _whole(progress, seen.given) and seen.sound(progress.counts):
            return Resumed(0, 0)
    # Looked up before anything is put out of effect: the book may be gone.
    wanted = await _wanted(grid, job, progress, given)
    standings = [await grid.jobs.fence(job, p, "resume") for p in range(grid.partitions)]
    for partition in range(grid.partitions):
        await grid.streams.sweep(job, partition)
    if wanted is not None:
        # Whoever was still submitting may have gone on until the fence.
        given = await grid.jobs.manifest(job)
    found = await examine_all(grid, job, given, again)
    submitter = Submitter(grid, job, await _put_right(grid, job, standings, found), advance)
    if job.after is not None:
        # Behind the fence, lest somebody see it cancelled and let go of it.
        await grid.jobs.hold(job)
    await submitter.queue(found.unfinished, new=False)
    await submitter.queue(found.suspects, new=False, suspect=True)
    queued_again = submitter.queued
    if wanted is not None:
        await submitter.queue(wanted.besides(found.given), new=True)
        await seal(grid, job, _count(found.given) + submitter.queued - queued_again)
    return Resumed(queued_again, submitter.queued - queued_again)


async def _check_order(grid: Grid, job: Job, *, at_once: bool) -> None:
    """Leave a job alone that would only be cancelled again for what it follows."""
    if at_once:
        await grid.jobs.mark_released(job)
    elif isinstance(decision := follow(job, await first_of(grid, job)), Cancel):
        raise UsageError(
            f"job {job.name} is to run once job {job.after} has ended well, but {decision.cause}: "
            f"resume that one first, or run `azfinsim job resume {job.name} --now` all the same"
        )


async def _wanted(
    grid: Grid, job: Job, progress: Progress, given: Mapping[int, Ids]
) -> Wanted | None:
    """The trades that a job asks for; None if those that it was given are known without its book.

    They are fewer than were submitted if the server has lost data.
    """
    if _whole(progress, given):
        return None
    if _whole(progress, (await examine_all(grid, job, given, None)).given):
        return None
    return await wanted_trades(grid, job)


async def _put_right(
    grid: Grid, job: Job, standings: list[Standing], found: Examined
) -> list[Standing]:
    """Have counts, manifest and results fit together, in steps that may be cut short.

    The counts come first: what they do not count is queued, if not now then by the next to resume.
    """
    right = []
    for partition, truth in enumerate(found.truths):
        standing = await recount(grid, job, partition, standings[partition], truth)
        if standing is None:
            raise overtaken(job)
        right.append(standing)
    for partition, kept in enumerate(found.kept):
        if kept and not await take_back(grid, job, partition, right[partition], kept, found.taken):
            raise overtaken(job)
    return right


def _whole(progress: Progress, given: Mapping[int, Ids]) -> bool:
    """Whether these are all the trades that a job was given."""
    return progress.total is not None and _count(given) >= progress.total


def _count(blocks: Mapping[int, Ids]) -> int:
    return sum(map(len, blocks.values()))
