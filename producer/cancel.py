"""Cancelling a job: what has not ended of it never takes effect."""

from engine.grid import Grid
from engine.job import Job, Progress, State


async def cancel(grid: Grid, job: Job) -> Progress:
    """Put an end to a job at once; a job that is done stays as it is.

    Its results so far are kept. Killed half-way it may be run again, and so it may on a full
    server, where it makes room.
    """
    if (progress := await grid.jobs.progress(job)).state is State.DONE:
        return progress
    for partition in range(grid.partitions):
        await grid.jobs.fence(job, partition, "cancel")
    # From here on nothing has effect: the rest only spares the consumers the looking.
    for partition in range(grid.partitions):
        await grid.streams.sweep(job, partition)
    return await grid.jobs.progress(job)
