"""The steps by which a job is written down, queued, fenced and swept, one by one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from engine import keys, streams
from engine.connection import Address
from engine.entry import Chunks, Entry, Settlement
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from engine.jobs import Standing
from tests.conftest import FreshServer

EXPIRES_AT = 2**33
JOB = Job("night", "synthetic", submitted_at=1.5, expires_at=EXPIRES_AT)
CHUNKS = Chunks(0, epoch=1, submitted_before=0, trades=3, ids=["0-1", "2"], manifest={0: "0-2"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        yield grid


@pytest.fixture
async def begun(grid: Grid) -> Grid:
    assert await grid.jobs.create(JOB)
    return grid


async def take(grid: Grid, entries: int = 100) -> list[Entry]:
    await grid.streams.ensure_groups([Lane.BULK])
    found = await grid.streams.take("somebody", 0, [Lane.BULK], entries, None)
    return [entry for entry in found if isinstance(entry, Entry)]


async def settle(grid: Grid, entry: Entry, priced: int) -> int | Exception:
    [result] = await grid.streams.settle([Settlement(entry, EXPIRES_AT, {0: b"{}"}, priced)])
    return result


async def test_a_name_is_taken_once(begun: Grid) -> None:
    assert not await begun.jobs.create(replace(JOB, seed=7, submitted_at=9.0))
    assert await begun.jobs.get(JOB.name) == JOB
    assert await begun.redis.zscore(keys.jobs(), JOB.name) == 1.5


async def test_all_that_a_job_keeps_expires_with_it(begun: Grid) -> None:
    await begun.streams.enqueue(JOB, CHUNKS, "me")
    for entry in await take(begun):
        await settle(begun, entry, 1)
    await begun.jobs.seal(JOB, 3)
    await begun.jobs.fence(JOB, 0, "cancel")
    kept = [key async for key in begun.redis.scan_iter("*:job:night*")]
    assert len(kept) == 4
    for key in kept:
        assert await begun.redis.expiretime(key) == EXPIRES_AT, key


async def test_sealing_a_job_that_has_expired_leaves_nothing(grid: Grid) -> None:
    await grid.jobs.seal(replace(JOB, expires_at=1), 3)
    assert not await grid.redis.exists(keys.job(JOB.name))


async def test_chunks_and_manifest_are_written_in_one_step(begun: Grid) -> None:
    assert await begun.streams.enqueue(JOB, CHUNKS, "me")
    assert [entry.ids for entry in await take(begun)] == ["0-1", "2"]
    assert (await begun.jobs.manifest(JOB))[0].tolist() == [0, 1, 2]
    assert await begun.jobs.standings(JOB) == [Standing(1, 3)]


async def test_more_of_a_block_is_added_to_its_manifest(begun: Grid) -> None:
    await begun.streams.enqueue(JOB, CHUNKS, "me")
    more = replace(CHUNKS, submitted_before=3, trades=1, ids=["4"], manifest={0: "4"})
    assert await begun.streams.enqueue(JOB, more, "me")
    assert (await begun.jobs.manifest(JOB))[0].tolist() == [0, 1, 2, 4]


async def test_a_call_repeated_because_its_answer_was_lost_queues_nothing(begun: Grid) -> None:
    for _ in range(2):
        assert await begun.streams.enqueue(JOB, CHUNKS, "me")
    assert len(await take(begun)) == 2
    assert await begun.jobs.standings(JOB) == [Standing(1, 3)]


async def test_of_two_submitters_the_second_is_refused(begun: Grid) -> None:
    assert await begun.streams.enqueue(JOB, CHUNKS, "me")
    assert not await begun.streams.enqueue(JOB, CHUNKS, "you")
    assert len(await take(begun)) == 2


@pytest.mark.parametrize("purpose", ["cancel", "resume"])
async def test_nothing_is_queued_after_a_fence(begun: Grid, purpose: str) -> None:
    await begun.jobs.fence(JOB, 0, "cancel" if purpose == "cancel" else "resume")
    assert not await begun.streams.enqueue(JOB, CHUNKS, "me")


async def test_nothing_is_queued_for_a_job_that_has_expired(grid: Grid) -> None:
    assert not await grid.streams.enqueue(JOB, CHUNKS, "me")
    assert not await grid.redis.keys("*night*")


async def test_cancelling_counts_what_has_not_ended_and_fences_it(begun: Grid) -> None:
    await begun.streams.enqueue(JOB, CHUNKS, "me")
    first, second = await take(begun)
    assert await settle(begun, first, 2) == 1
    for epoch in (2, 3):  # cancelled again, it stays as it is
        assert await begun.jobs.fence(JOB, 0, "cancel") == Standing(epoch, 3, cancelled=True)
    assert await settle(begun, second, 1) == -1
    progress = await begun.jobs.progress(JOB)
    assert (progress.counts.priced, progress.counts.cancelled) == (2, 1)
    assert progress.cancelled


async def test_a_job_without_entries_can_be_cancelled(begun: Grid) -> None:
    assert await begun.jobs.fence(JOB, 0, "cancel") == Standing(2, 0, cancelled=True)
    assert (await begun.jobs.progress(JOB)).ended


async def test_resuming_takes_out_of_the_count_what_has_not_ended(begun: Grid) -> None:
    await begun.streams.enqueue(JOB, CHUNKS, "me")
    first, second = await take(begun)
    await settle(begun, first, 2)
    await begun.jobs.fence(JOB, 0, "cancel")
    assert await begun.jobs.fence(JOB, 0, "resume") == Standing(3, 2)
    assert await settle(begun, second, 1) == -1
    again = Chunks(0, epoch=3, submitted_before=2, trades=1, ids=["2"], manifest={})
    assert await begun.streams.enqueue(JOB, again, "me")
    assert not await begun.redis.hexists(keys.counts(0, JOB.name), "cancelled")
    assert (await begun.jobs.progress(JOB)).counts.in_flight == 1


async def test_a_job_half_resumed_does_not_pass_for_done(begun: Grid) -> None:
    await begun.streams.enqueue(JOB, CHUNKS, "me")
    await begun.jobs.seal(JOB, 3)
    await settle(begun, (await take(begun))[0], 2)
    await begun.jobs.fence(JOB, 0, "resume")
    progress = await begun.jobs.progress(JOB)
    assert progress.counts.in_flight == 0
    assert progress.state == "submitting"
    assert not progress.ended


async def test_counts_that_the_server_lost_are_begun_anew(begun: Grid) -> None:
    await begun.redis.delete(keys.counts(0, JOB.name))
    assert await begun.jobs.fence(JOB, 0, "resume") == Standing(1, 0)
    assert await begun.redis.ttl(keys.counts(0, JOB.name)) > 0


async def test_sweeping_deletes_what_is_fenced_and_nothing_else(
    begun: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SWEEP_PAGE", 3)
    other = replace(JOB, name="day")
    await begun.jobs.create(other)
    for before in range(10):
        chunk = replace(CHUNKS, submitted_before=before, trades=1, ids=[str(before)], manifest={})
        await begun.streams.enqueue(JOB, chunk, "me")
        await begun.streams.enqueue(other, chunk, "me")
    await begun.redis.xadd(keys.stream(0, Lane.BULK), {"no": "entry"})
    await take(begun, 7)
    assert await begun.streams.sweep(JOB, 0) == 0
    await begun.jobs.fence(JOB, 0, "resume")
    again = replace(CHUNKS, epoch=2, trades=1, ids=["0"], manifest={})
    await begun.streams.enqueue(JOB, again, "me")
    assert await begun.streams.sweep(JOB, 0) == 10
    entries: Any = await begun.redis.xrange(keys.stream(0, Lane.BULK))
    assert [fields.get(b"job") for _, fields in entries] == [b"day"] * 10 + [None, b"night"]
    pending = await begun.redis.xpending(keys.stream(0, Lane.BULK), keys.GROUP)
    assert pending["pending"] == 3


async def test_a_full_server_refuses_chunks_whole_and_lets_one_cancel(
    fresh_server: FreshServer,
) -> None:
    async with open_grid(Address.parse(fresh_server().url)) as grid:
        await grid.jobs.create(JOB)
        await grid.streams.enqueue(JOB, CHUNKS, "me")
        await grid.redis.config_set("maxmemory", 1)
        more = replace(CHUNKS, submitted_before=3)
        with pytest.raises(OutOfMemoryError):
            await grid.streams.enqueue(JOB, more, "me")
        assert await grid.jobs.standings(JOB) == [Standing(1, 3)]
        assert await grid.jobs.fence(JOB, 0, "cancel") == Standing(2, 3, cancelled=True)
        assert await grid.streams.sweep(JOB, 0) == 2


async def test_an_entry_with_thousands_of_fields_can_be_released(begun: Grid) -> None:
    """G10: more than a script can pass on in one go."""
    follower = replace(JOB, name="after", after=JOB.name)
    await begun.jobs.create(follower)
    await begun.streams.enqueue(follower, CHUNKS, "me")
    more: Any = {f"field-{n}": "x" for n in range(5_000)}
    fields: Any = {"job": "after", "epoch": 1, "ids": "5"}
    await begun.redis.xadd(keys.held(0, "after"), {**fields, **more})
    await begun.streams.release(follower, 0)
    assert [entry.ids for entry in await take(begun)] == ["0-1", "2", "5"]
