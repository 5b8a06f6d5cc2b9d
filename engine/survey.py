"""How far many jobs are, in a few exchanges however many they are."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from engine import keys
from engine.connection import text
from engine.errors import AzfinsimError, ServerError
from engine.job import Job, Progress
from engine.jobs import Jobs, as_text, read_progress
from engine.names import check_name
from engine.streams import is_damage

PAGE = 200
"""Jobs asked for in one exchange: some milliseconds of the server for sixteen partitions."""

Found = dict[str, Progress | AzfinsimError]
"""By name; an error says why what is stored under it cannot be read."""


async def survey(jobs: Jobs, names: Sequence[str]) -> Found:
    """How far the jobs of these names are, in the order given; those not there are left out.

    Raises what redis-py raises if the server is away or refuses.
    """
    found: Found = {}
    for start in range(0, len(names), PAGE):
        found |= await _page(jobs, names[start : start + PAGE])
    return found


async def _page(jobs: Jobs, names: Sequence[str]) -> Found:
    pipe = jobs.redis.pipeline(transaction=False)
    for name in names:
        pipe.hmget(keys.job(name), ["spec", "sealed", "released", "cause"])
    # First the jobs and then their counts: the other way round one could look short of its total.
    heads = dict(zip(names, await pipe.execute(raise_on_error=False), strict=True))
    specs = {name: _job(name, head) for name, head in heads.items()}
    wanted = [name for name, job in specs.items() if isinstance(job, Job)]
    pipe = jobs.redis.pipeline(transaction=False)
    for name in wanted:
        for partition in range(jobs.partitions):
            pipe.hgetall(keys.counts(partition, name))
    answers = iter(await pipe.execute(raise_on_error=False) if wanted else [])
    now = await jobs.now()
    found: Found = {}
    for name, job in specs.items():
        if isinstance(job, Job):
            counts = [next(answers) for _ in range(jobs.partitions)]
            found[name] = _progress(job, heads[name], counts, now)
        elif job is not None:
            found[name] = job
    return found


def _job(name: str, head: Any) -> Job | AzfinsimError | None:
    """A job as it is stored; None if it is not there."""
    if isinstance(head, Exception):
        if is_damage(head):
            return ServerError(f"job {name} cannot be read: {head}")
        raise head
    if head[0] is None:
        return None
    try:
        return Job.from_json(text(head[0]).encode()) if check_name("job", name) else None
    except AzfinsimError as error:
        return error
    except ValueError as error:
        return ServerError(f"job {name} cannot be read: {error}")


def _progress(job: Job, head: Any, counts: Iterable[Any], now: float) -> Progress | AzfinsimError:
    try:
        stored = [as_text(each) for each in _all_well(counts)]
        return read_progress(job, (head[1], head[2], head[3]), stored, now)
    except ServerError as error:
        return error
    except ResponseError as error:
        if not is_damage(error):
            raise
        return ServerError(f"the counts of job {job.name} cannot be read: {error}")


def _all_well(answers: Iterable[Any]) -> Iterable[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
        yield answer
