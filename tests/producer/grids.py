"""A grid for tests: books to fill it with, somebody who prices, and somebody who dies.

What may live here: what the tests of submitting, resuming and cancelling share.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import count
from typing import Any

import anyio
import numpy as np
import pytest
from redis.asyncio.connection import AbstractConnection

from engine import keys
from engine.codec import encode_records
from engine.connection import Address
from engine.entry import Entry, Settlement
from engine.grid import Grid, open_grid
from engine.ids import Ids, by_block, format_ids, parse_ids, partition_of
from engine.job import Job, Lane, State
from producer.results import Record, results
from producer.wait import wait

JOB = Job("night", "synthetic", chunk=60)
"""Of chunks that fit no block."""

IDS = np.concatenate((np.arange(40, 430), np.arange(433, 900, 3)))
"""Some 550 trades in nine blocks, with gaps."""


Work = Callable[[Grid], Awaitable[object]]


def reopened(url: str, partitions: int | None = None) -> AbstractAsyncContextManager[Grid]:
    """Another connection to the grid at ``url``, which gets ``partitions`` if it is new."""
    return open_grid(Address.parse(url), partitions=partitions)


def on_grid(url: str, work: Work) -> None:
    """Do something to the grid at ``url``, in a test that is not async itself."""

    async def main() -> None:
        async with reopened(url) as grid:
            await work(grid)

    anyio.run(main)


async def shelve(grid: Grid, ids: Ids = IDS, book: str = "default") -> None:
    """Make a book of which only the index is there: submitting looks at nothing else."""
    pipe = grid.redis.pipeline(transaction=False)
    pipe.sadd(keys.books(), book)
    for number, part in by_block(ids):
        partition = partition_of(number, grid.partitions)
        pipe.hset(keys.index(partition, book), str(number), format_ids(part))
    await pipe.execute()


async def take(grid: Grid, entries: int = 100_000) -> list[Entry]:
    """Take up to ``entries`` entries from each partition."""
    taken: list[Entry] = []
    await grid.streams.ensure_groups([Lane.BULK])
    for partition in range(grid.partitions):
        found = await grid.streams.take("somebody", partition, [Lane.BULK], entries, None)
        taken += [entry for entry in found if isinstance(entry, Entry)]
    return taken


async def settle(grid: Grid, entries: Sequence[Entry]) -> list[int | Exception]:
    """Settle entries, each trade priced at its ID."""
    settlements = []
    for entry in entries:
        ids = parse_ids(entry.ids)
        records = {n: encode_records(map(_record, part.tolist())) for n, part in by_block(ids)}
        settlements.append(Settlement(entry, 2**33, records, priced=len(ids)))
    return await grid.streams.settle(settlements)


async def price(grid: Grid, entries: int = 100_000) -> None:
    """Take entries and settle them."""
    await settle(grid, await take(grid, entries))


def _record(trade_id: int) -> dict[str, object]:
    return {"id": trade_id, "pv": trade_id / 7, "attempts": 1, "ms": 0.25, "outcome": "priced"}


async def audit(grid: Grid, ids: Ids = IDS, name: str = JOB.name) -> None:
    """Check that a job is done and each of its trades was priced exactly once."""
    job = await grid.jobs.get(name)
    assert job is not None
    progress = await wait(grid, job, at_most=0)
    assert progress.state is State.DONE
    assert progress.well
    assert progress.counts.submitted == progress.counts.priced == len(ids)
    assert [record["id"] for record in await fetch(grid, job)] == ids.tolist()
    assert not any((await grid.streams.backlog([Lane.BULK])).values())


async def fetch(grid: Grid, job: Job, *, cancelled: bool = False) -> list[Record]:
    """All results of a job."""
    given = await grid.jobs.manifest(job)
    pages = results(grid, job, given, cancelled=cancelled)
    return [record async for page in pages for record in page]


async def queued(grid: Grid, job: Job) -> Counter[int]:
    """How often each trade stands in an entry that would have effect."""
    found: Counter[int] = Counter()
    for partition, standing in enumerate(await grid.jobs.standings(job)):
        entries: Any = await grid.redis.xrange(keys.stream(partition, job.lane))
        for _, fields in entries:
            if fields[b"job"].decode() == job.name and int(fields[b"epoch"]) == standing.epoch:
                found.update(parse_ids(fields[b"ids"].decode()).tolist())
    return found


class Killed(BaseException):
    """Ends what runs, as SIGKILL would: nobody catches it."""


async def dies(url: str, calls: int, work: Work) -> bool:
    """Run ``work`` in a client that dies after ``calls`` calls; False if it got through."""
    async with reopened(url) as grid:
        try:
            with _mortal(calls):
                await work(grid)
        except Killed:
            return True
    return False


@contextmanager
def _mortal(calls: int) -> Iterator[None]:
    left = iter(range(calls))
    send = AbstractConnection.send_packed_command

    async def send_or_die(self: Any, *args: Any, **kwargs: Any) -> None:
        if next(left, None) is None:
            raise Killed
        await send(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", send_or_die)
        yield


async def every_death(
    url: str, partitions: int, work: Work, check: Work, *, before: Work | None = None
) -> None:
    """For each call at which ``work`` can die: let it die there, in a new grid, and ``check`` that.

    The grid has a book, and ``before`` is done to it first. In the last grid ``work`` gets through.
    """
    for calls in count():
        async with reopened(url) as grid:
            await grid.redis.flushall()
        async with reopened(url, partitions) as grid:
            await shelve(grid)
            if before is not None:
                await before(grid)
            died = await dies(url, calls, work)
            await check(grid)
        if not died:
            assert calls > 3, "it was never killed in the middle"
            return
