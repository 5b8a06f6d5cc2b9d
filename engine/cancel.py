"""Cancelling a job: what has not ended of it never takes effect."""

from engine.grid import Grid
from engine.job import Job, Progress, State


async def cancel(grid: Grid, job: Job, cause: str | None = None) -> Progress:
    """Put an end to a job at once; a job that is done stays as it is.

    Its results so far are kept, and ``cause`` if it is not by hand. Killed half-way it may be run
    again, and so it may on a full server, where it makes room.
    """
    if (progress := await grid.jobs.progress(job)).state is State.DONE:
        return progress
    token = await grid.jobs.held_as(job) if job.after is not None else None
    if not progress.ended:
        # First, so that nobody sees it cancelled without its cause.
        await grid.jobs.explain(job, cause)
    for partition in range(grid.partitions):
        await grid.jobs.fence(job, partition, "cancel")
    # From here on nothing has effect: the rest only spares the consumers the looking.
    for partition in range(grid.partitions):
        await grid.streams.sweep(job, partition)
    if token is not None:
        await grid.jobs.let_go(job.name, token)
    return await grid.jobs.progress(job)
