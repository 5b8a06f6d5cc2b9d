"""Resuming a job: what has no result is queued again, whatever became of it.

It may be run at any time and as often as one likes, and be killed anywhere: the fence comes first,
so that no trade can take effect twice, and until all is queued again the job counts as not wholly
submitted, so that it cannot pass for done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.grid import Grid
from engine.ids import Ids
from engine.job import Job, State
from producer.results import read_records
from producer.submit import Advance, Submitter, no_advance, seal, wanted_trades


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was done to resume a job."""

    queued_again: int
    """Trades that the job was given, and that had no result."""
    queued_first: int
    """Trades that a submission cut short had not come to."""


async def resume(grid: Grid, job: Job, *, advance: Advance = no_advance) -> Resumed:
    """Queue what has no result; nothing if the job is done.

    Work that is queued or running is discarded and done again. Raises UsageError if the trades of
    a submission that was cut short are no longer to be found, or somebody else acts on the job
    meanwhile, and ServerFull if the server is full.
    """
    progress = await grid.jobs.progress(job)
    if progress.state is State.DONE:
        return Resumed(0, 0)
    given = await grid.jobs.manifest(job)
    # Fewer than were submitted: the server has lost data.
    whole = progress.total is not None and _count(given) >= progress.total
    # Looked up before anything is put out of effect: the book may be gone.
    wanted = None if whole else await wanted_trades(grid, job)
    standings = [await grid.jobs.fence(job, p, "resume") for p in range(grid.partitions)]
    for partition in range(grid.partitions):
        await grid.streams.sweep(job, partition)
    submitter = Submitter(grid, job, standings, advance)
    if not whole:
        # Whoever was still submitting may have gone on until the fence.
        given = await grid.jobs.manifest(job)
    await submitter.queue(await _unfinished(grid, job, given), new=False)
    again = submitter.queued
    if wanted is not None:
        await submitter.queue(wanted.besides(given), new=True)
        await seal(grid, job, _count(given) + submitter.queued - again)
    return Resumed(again, submitter.queued - again)


async def _unfinished(grid: Grid, job: Job, given: Mapping[int, Ids]) -> list[tuple[int, Ids]]:
    """The trades given that have no result, by block."""
    unfinished = []
    async for number, data in grid.jobs.results(job, list(given)):
        ids = given[number]
        # A line each: a block with as many records as trades needs no look at them.
        if data is not None and data.count(b"\n") + 1 < len(ids):
            ended = [record["id"] for record in read_records(job, number, data)]
            ids = np.setdiff1d(ids, np.array(ended, dtype=np.int64))
        elif data is not None:
            continue
        unfinished.append((number, ids))
    return unfinished


def _count(blocks: Mapping[int, Ids]) -> int:
    return sum(map(len, blocks.values()))
