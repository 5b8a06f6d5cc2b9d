"""Jobs that follow others, for tests.

What may live here: what the tests of ``--after`` share.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from engine import keys
from engine.decisions import Cancel, Turn
from engine.entry import Settlement
from engine.following import look_after
from engine.grid import Grid
from engine.ids import parse_ids
from engine.job import Job, Progress, State
from engine.outcome import Counts
from producer.submit import find, submit
from tests.producer.grids import JOB, shelve, take

FIRST = Job("first", "synthetic", trades="40:50", submitted_at=5.0)
NEXT = replace(JOB, after="first", submitted_at=6.0)
EITHER_WAY = replace(NEXT, after_any=True)

NOBODY_KNOWS = "how job first ended is not known any more"


async def look(grid: Grid) -> list[Turn | Cancel | None]:
    """Look once at each job that waits, as a consumer does."""
    return [await look_after(grid, name, token) for name, token in (await grid.jobs.held()).items()]


async def state(grid: Grid, name: str = JOB.name) -> State:
    return (await grid.jobs.progress(await find(grid, name))).state


async def rejected(grid: Grid) -> None:
    """Take what is queued and end it badly."""
    taken = await take(grid)
    await grid.streams.settle(
        [
            Settlement(entry, 2**33, {0: b"{}"}, rejected=len(parse_ids(entry.ids)))
            for entry in taken
        ]
    )


async def held(grid: Grid, job: Job) -> Counter[int]:
    """How often each trade stands in an entry that is held back and would have effect."""
    found: Counter[int] = Counter()
    for partition, standing in enumerate(await grid.jobs.standings(job)):
        entries: Any = await grid.redis.xrange(keys.held(partition, job.name))
        for _, fields in entries:
            if int(fields[b"epoch"]) == standing.epoch:
                found.update(parse_ids(fields[b"ids"].decode()).tolist())
    return found


async def waiting(grid: Grid, request: Job = NEXT) -> Job:
    """A job that waits for one that is queued."""
    await shelve(grid)
    await submit(grid, FIRST)
    return (await submit(grid, request)).job


def at(state: State, job: Job = FIRST, **counts: int) -> Progress:
    """How far a job of 10 trades is."""
    ended = {"priced": 10 - sum(counts.values())} if state is State.DONE else {}
    seen = Progress(
        job, 10, state is State.CANCELLED, Counts(submitted=10, **ended, **counts), 9.0, 8.0
    )
    assert seen.state is state
    return seen


async def lasting(grid: Grid) -> set[str]:
    """The keys without a time to live."""
    found = [key.decode() async for key in grid.redis.scan_iter("*")]
    return {key for key in found if await grid.redis.ttl(key) < 0}
