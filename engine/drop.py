"""Dropping a job: all that is kept of it is forgotten at once, not when it expires."""

from engine import keys
from engine.errors import UsageError
from engine.grid import Grid
from engine.job import Progress, State
from engine.survey import survey


async def drop(grid: Grid, seen: Progress) -> None:
    """Forget a job that has ended, with its results and dead letters.

    Cut short, it is to be finished by ``drop_rest``. Raises UsageError if the job has not ended,
    or another one waits to hear how it has.
    """
    job = seen.job
    if not seen.ended:
        way = f"`azfinsim job cancel {job.name}` stops it, `azfinsim job wait {job.name}` waits"
        raise UsageError(
            f"job {job.name} is {seen.state}: only one that has ended is dropped; {way}"
        )
    waiting = await survey(grid.jobs, list(await grid.jobs.held()))
    for name, other in waiting.items():
        if isinstance(other, Progress) and other.job.after == job.name:
            raise UsageError(
                f"job {name} waits for job {job.name}, and a consumer has yet to see how that has "
                f"ended: start one, or `azfinsim job cancel {name}`"
            )
    if seen.state is State.CANCELLED:
        # Whoever cancelled it may have died over its entries.
        for partition in range(grid.partitions):
            await grid.streams.sweep(job, partition)
    await drop_rest(grid, job.name)


async def drop_rest(grid: Grid, name: str) -> int:
    """Delete whatever is kept under the name of a job; returns how many keys there were.

    The job itself goes first: without it nobody takes it for one that lacks results, and what is
    left if this is cut short expires when the job would have.
    """
    await grid.redis.zrem(keys.jobs(), name)
    gone = await grid.redis.unlink(keys.job(name))
    pipe = grid.redis.pipeline(transaction=False)
    for partition in range(grid.partitions):
        for key in (keys.counts, keys.manifest, keys.results, keys.dead, keys.held):
            # Not pipe.unlink: in a cluster's pipeline that one sends by itself.
            pipe.execute_command("UNLINK", key(partition, name))
    return int(gone) + sum(map(int, await pipe.execute()))
