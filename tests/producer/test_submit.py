"""Submitting jobs: every trade is queued exactly once, whoever dies."""

import os
import subprocess
import sys
from dataclasses import replace

import anyio
import numpy as np
import pytest
import redis

from engine import keys
from engine.cancel import cancel
from engine.errors import AzfinsimError, ServerFull, UsageError
from engine.grid import Grid
from engine.job import Job, Lane, State
from producer import plan
from producer.resume import resume
from producer.submit import find, submit
from tests.conftest import FreshServer
from tests.producer.grids import (
    IDS,
    JOB,
    audit,
    every_death,
    price,
    queued,
    reopened,
    settle,
    shelve,
    take,
)
from tests.waiting import eventually


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks a call, for many calls at which to die."""
    monkeypatch.setattr(plan, "_BATCH_CHUNKS", 2)


@pytest.mark.parametrize("chunk", [1, 7, 100, 250, 10_000])
async def test_every_trade_is_queued_once(grid: Grid, chunk: int) -> None:
    await shelve(grid)
    told: list[int] = []
    done = await submit(grid, replace(JOB, chunk=chunk), advance=told.append)
    assert await queued(grid, done.job) == dict.fromkeys(IDS.tolist(), 1)
    assert (done.total, done.missing, sum(told)) == (len(IDS), 0, len(IDS))
    assert (await grid.jobs.progress(done.job)).state is State.RUNNING
    await price(grid)
    await audit(grid)


async def test_a_job_is_dated_and_expires_by_the_servers_clock(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB, keep_days=2)).job
    assert abs(job.submitted_at - await grid.jobs.now()) < 60
    assert job.expires_at == int(job.submitted_at + 2 * 86_400)
    assert await find(grid, JOB.name) == job


async def test_a_range_is_queued_whole_with_what_the_book_lacks(grid: Grid) -> None:
    await shelve(grid)
    done = await submit(grid, replace(JOB, trades="420:20"))
    assert await queued(grid, done.job) == dict.fromkeys(range(420, 440), 1)
    assert done.missing == 7


async def test_the_lane_is_the_one_asked_for(grid: Grid) -> None:
    await shelve(grid)
    await submit(grid, replace(JOB, lane=Lane.HIGH))
    backlog = await grid.streams.backlog([Lane.HIGH, Lane.BULK])
    assert backlog[Lane.HIGH] > backlog[Lane.BULK] == 0


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (replace(JOB, book="other"), "no book 'other', there are default"),
        (replace(JOB, trades="5000:10"), "holds 546 trades between 40 and 898, none of these"),
        (replace(JOB, trades="nonsense"), "must be FIRST:COUNT"),
        (replace(JOB, name="../etc"), "must be 1 to 64 letters"),
    ],
)
async def test_what_cannot_be_asked_leaves_no_job(grid: Grid, request_: Job, words: str) -> None:
    await shelve(grid)
    with pytest.raises(UsageError, match=words):
        await submit(grid, request_)
    assert await grid.jobs.names() == []


async def test_an_empty_book_and_no_book_are_told(grid: Grid) -> None:
    with pytest.raises(UsageError, match="no book 'default', there is none yet"):
        await submit(grid, JOB)
    await grid.redis.sadd(keys.books(), "default")
    with pytest.raises(UsageError, match="book 'default' is empty"):
        await submit(grid, JOB)


async def test_a_name_is_taken_once(grid: Grid) -> None:
    await shelve(grid)
    await submit(grid, JOB)
    with pytest.raises(UsageError, match="a job named night exists already"):
        await submit(grid, JOB)
    assert set((await queued(grid, JOB)).values()) == {1}


async def test_only_the_same_job_is_taken_up(grid: Grid) -> None:
    await shelve(grid)
    await grid.jobs.create(replace(JOB, expires_at=2**33))
    with pytest.raises(UsageError, match="a job named night exists already"):
        await submit(grid, replace(JOB, seed=1))
    await submit(grid, replace(JOB, pricer_version="another"))
    assert (await grid.jobs.progress(JOB)).complete


async def test_a_cancelled_submission_is_not_taken_up_but_resumed(grid: Grid) -> None:
    await shelve(grid)
    await grid.jobs.create(replace(JOB, expires_at=2**33))
    await cancel(grid, await find(grid, JOB.name))
    with pytest.raises(UsageError, match="is cancelled: `azfinsim job resume night`"):
        await submit(grid, JOB)
    await resume(grid, await find(grid, JOB.name))
    await price(grid)
    await audit(grid)


async def test_a_stored_job_that_is_none_is_told(grid: Grid) -> None:
    await shelve(grid)
    await grid.redis.hset(keys.job(JOB.name), "spec", b"\xff\x00")
    with pytest.raises(UsageError, match="job night cannot be read"):
        await submit(grid, JOB)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("way_on", ["submit", "resume"])
async def test_killed_at_any_call_it_can_be_taken_up(
    redis_url: str, partitions: int, way_on: str
) -> None:
    async def check(grid: Grid) -> None:
        held = await take(grid, 1)
        await price(grid, 2)
        stored = await grid.jobs.get(JOB.name)
        if stored is None or (way_on == "submit" and not await _sealed(grid, stored)):
            await submit(grid, JOB)
        else:
            await resume(grid, stored)
        # What was taken before settles late: with effect after a submission taken up, which
        # discards nothing, and without after a resumption.
        await settle(grid, held)
        await price(grid)
        await audit(grid)

    await every_death(redis_url, partitions, lambda g: submit(g, JOB), check)


async def _sealed(grid: Grid, job: Job) -> bool:
    return (await grid.jobs.progress(job)).total is not None


async def test_of_two_that_submit_at_once_no_trade_is_queued_twice(redis_url: str) -> None:
    ids = np.arange(30_000)
    async with reopened(redis_url) as grid, reopened(redis_url) as other:
        await shelve(grid, ids)
        refused: list[AzfinsimError] = []

        async def one(grid: Grid) -> None:
            try:
                await submit(grid, replace(JOB, chunk=10))
            except UsageError as error:
                refused.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(one, grid)
            group.start_soon(one, other)
        assert len(refused) == 1
        job = await find(grid, JOB.name)
        assert await queued(grid, job) == dict.fromkeys(ids.tolist(), 1)
        assert (await grid.jobs.progress(job)).complete


def test_a_submitter_that_is_killed_can_be_taken_up(redis_url: str) -> None:
    ids = np.arange(40_000)
    command = [*("job", "submit", "--name", "night", "--algorithm", "synthetic"), "--chunk", "1"]
    anyio.run(_shelve, redis_url, ids)
    with (
        redis.Redis.from_url(redis_url) as client,
        subprocess.Popen(
            [sys.executable, "-m", "azfinsim", *command],
            env={**os.environ, "AZFINSIM_REDIS_URL": redis_url},
        ) as submitter,
    ):
        eventually(lambda: client.hget(keys.counts(0, "night"), "submitted"), 30)
        submitter.kill()
        submitter.wait()
        assert client.hget(keys.job("night"), "sealed") is None
        assert 0 < int(client.hget(keys.counts(0, "night"), "submitted") or 0) < len(ids)
    anyio.run(_resume_and_check, redis_url, ids)


async def _shelve(url: str, ids: np.ndarray) -> None:
    async with reopened(url) as grid:
        await shelve(grid, ids)


async def _resume_and_check(url: str, ids: np.ndarray) -> None:
    async with reopened(url) as grid:
        job = await find(grid, "night")
        done = await resume(grid, job)
        assert done.queued_again
        assert done.queued_first
        assert done.queued_again + done.queued_first == len(ids)
        assert await queued(grid, job) == dict.fromkeys(ids.tolist(), 1)
        assert (await grid.jobs.progress(job)).complete


async def test_a_full_server_stops_it_and_it_can_be_resumed(fresh_server: FreshServer) -> None:
    ids = np.arange(40_000)
    async with reopened(fresh_server().url) as grid:
        await shelve(grid, ids)
        used = (await grid.redis.info("memory"))["used_memory"]
        await grid.redis.config_set("maxmemory", used + 200_000)
        with pytest.raises(
            ServerFull, match=r"full .*queued just now.*`azfinsim job resume night`"
        ):
            await submit(grid, replace(JOB, chunk=10))
        job = await find(grid, JOB.name)
        assert (await grid.jobs.progress(job)).state is State.SUBMITTING
        with pytest.raises(ServerFull):
            await resume(grid, job)
        await grid.redis.config_set("maxmemory", 0)
        await resume(grid, job)
        await price(grid)
        await audit(grid, ids)


async def test_a_server_full_from_the_start_is_told(fresh_server: FreshServer) -> None:
    async with reopened(fresh_server().url) as grid:
        await shelve(grid)
        await grid.redis.config_set("maxmemory", 1)
        with pytest.raises(ServerFull, match="nothing was queued"):
            await submit(grid, JOB)


@pytest.mark.pain("arq#492")
async def test_a_million_trades_take_few_calls(redis_url: str) -> None:
    async with reopened(redis_url) as grid:
        await shelve(grid, np.arange(1_000_000))
        await grid.redis.config_resetstat()
        await submit(grid, replace(JOB, chunk=100))
        stats = await grid.redis.info("commandstats")
        inside_scripts = {"cmdstat_xadd", "cmdstat_hset", "cmdstat_hget", "cmdstat_hmget"}
        calls = sum(stat["calls"] for name, stat in stats.items() if name not in inside_scripts)
        assert stats["cmdstat_xadd"]["calls"] == 10_000
        assert stats["cmdstat_evalsha"]["calls"] < 60
        assert calls < 300
