"""Jobs that follow others: each is released, or cancelled, when the one before it has ended."""

from redis.exceptions import ResponseError

from engine.cancel import cancel
from engine.decisions import Cancel, Turn, follow
from engine.errors import ServerError
from engine.grid import Grid
from engine.job import Job, Progress
from engine.streams import is_damage


async def first_of(grid: Grid, job: Job) -> Progress | None:
    """How far the job is that ``job`` follows; None if it is forgotten or cannot be read."""
    try:
        first = await grid.jobs.get(str(job.after))
        return await grid.jobs.progress(first) if first is not None else None
    except (ServerError, ValueError, ResponseError) as error:
        if not isinstance(error, ServerError) and not is_damage(error):
            raise
        return None


async def look_after(grid: Grid, name: str, token: str) -> Turn | Cancel | None:
    """Do what is due for a job that ``Jobs.held`` has named, as often and by as many as may be.

    Returns what was decided, None if there was nothing (more) to decide. Raises ValueError or
    ServerError if what is stored is no job, or no counts.
    """
    job = await grid.jobs.get(name)
    if job is None or job.after is None:
        await grid.jobs.let_go(name, token)
        return None
    progress = await grid.jobs.progress(job)
    if progress.ended:
        # Whoever cancelled it may have died over the entries that were held back.
        for partition in range(grid.partitions):
            await grid.streams.sweep(job, partition)
        await grid.jobs.let_go(name, token)
        return None
    if progress.held_back:
        # One that is still being submitted could not be told apart from one cut short.
        decision = follow(job, await first_of(grid, job)) if progress.complete else Turn.WAIT
        if isinstance(decision, Cancel):
            await cancel(grid, job, decision.cause)
        if decision is not Turn.RELEASE:
            return decision
        await grid.jobs.mark_released(job)
    for partition in range(grid.partitions):
        await grid.streams.release(job, partition)
    # From here on its trades go into its lane directly, whoever queues them.
    await grid.jobs.let_go(name, token)
    return Turn.RELEASE
