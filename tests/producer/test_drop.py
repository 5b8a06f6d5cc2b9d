"""``azfinsim job drop``: an ended job is forgotten at once, and nothing else is."""

import pytest
import redis

from engine import keys
from engine.cancel import cancel
from engine.drop import drop
from engine.grid import Grid
from engine.job import Lane
from tests.producer.commands import Command
from tests.producer.grids import on_grid, price, settle, take

NEW = ["--algorithm", "synthetic", "--name"]


def kept(url: str) -> dict[bytes, bytes | None]:
    """Every key of the server and what it holds."""
    with redis.Redis.from_url(url) as client:
        return {key: client.dump(key) for key in client.scan_iter()}


def of(name: str, url: str) -> set[bytes]:
    return {key for key in kept(url) if f":job:{name}".encode() in key}


@pytest.mark.parametrize("how", ["done", "cancelled"])
def test_an_ended_job_is_forgotten_and_nothing_else_is(
    job: Command, redis_url: str, how: str
) -> None:
    assert job("submit", *NEW, "other").code == 0
    if how == "done":
        on_grid(redis_url, price)
    before = kept(redis_url)
    assert job("submit", *NEW, "night").code == 0
    if how == "done":
        on_grid(redis_url, price)
    else:
        job("cancel", "night")
    run = job("drop", "night", "--json")
    assert (run.code, run.json) == (0, {"job": "night", "dropped": True})
    # A stream that was emptied notes what its last entry was.
    lane = keys.stream(0, Lane.BULK).encode()
    after = kept(redis_url)
    assert {**after, lane: None} == {**before, lane: None}
    again = job("drop", "night", "--json")
    assert (again.code, again.json) == (0, {"job": "night", "dropped": False})
    assert "no job night: nothing to drop" in job("drop", "night").err


def test_a_job_that_has_not_ended_stays(job: Command, redis_url: str) -> None:
    job("submit", *NEW, "night")
    before = of("night", redis_url)
    run = job("drop", "night")
    assert (run.code, run.out) == (2, "")
    assert "job night is running" in run.err
    assert "`azfinsim job cancel night`" in run.err
    assert of("night", redis_url) == before


def test_a_job_that_another_waits_for_stays(job: Command, redis_url: str) -> None:
    """Dropped, it would pass for one that has not ended well."""
    job("submit", *NEW, "night")
    job("submit", *NEW, "next", "--after", "night")
    on_grid(redis_url, price)
    run = job("drop", "night")
    assert run.code == 2
    assert "job next waits for job night" in run.err
    job("cancel", "next")
    assert job("drop", "night").code == 0


def test_one_that_was_cut_short_goes_on(job: Command, redis_url: str) -> None:
    job("submit", *NEW, "night")
    on_grid(redis_url, price)
    with redis.Redis.from_url(redis_url) as client:
        client.zrem(keys.jobs(), "night")
        client.delete(keys.job("night"))
    assert of("night", redis_url)
    assert job("drop", "night", "--json").json["dropped"]
    assert not of("night", redis_url)


def test_entries_that_a_cancel_has_left_go_too(job: Command, redis_url: str) -> None:
    """Its caller has died over them."""

    async def half(grid: Grid) -> None:
        night = await grid.jobs.get("night")
        assert night is not None
        for partition in range(grid.partitions):
            await grid.jobs.fence(night, partition, "cancel")
        assert any((await grid.streams.backlog([Lane.BULK])).values())

    async def nothing_left(grid: Grid) -> None:
        assert not any((await grid.streams.backlog([Lane.BULK])).values())

    job("submit", *NEW, "night")
    on_grid(redis_url, half)
    assert job("drop", "night").code == 0
    on_grid(redis_url, nothing_left)


def test_the_name_may_be_used_again_at_once(job: Command, redis_url: str) -> None:
    """Of an entry that was taken before, nothing comes to be the new job's."""
    taken: list[int | Exception] = []

    async def settle_late(grid: Grid) -> None:
        entries = await take(grid)
        job_ = await grid.jobs.get("night")
        assert job_ is not None
        await cancel(grid, job_)
        await drop(grid, await grid.jobs.progress(job_))
        await grid.jobs.create(job_)
        taken.extend(await settle(grid, entries))

    job("submit", *NEW, "night")
    on_grid(redis_url, settle_late)
    assert set(taken) == {0}
    assert job("status", "night", "--json").json["priced"] == 0


@pytest.mark.parametrize("wrong", ["type", "spec"])
def test_one_that_cannot_be_read_is_dropped_and_hides_no_other(
    job: Command, redis_url: str, wrong: str
) -> None:
    assert job("submit", *NEW, "night").code == 0
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(keys.jobs(), {"broken": 1.0})
        if wrong == "type":
            client.set(keys.job("broken"), "what?")
        else:
            client.hset(keys.job("broken"), "spec", "what?")
    run = job("list", "--json")
    assert (run.code, [each["job"] for each in run.json["jobs"]]) == (0, ["night"])
    run = job("drop", "broken", "--json")
    assert (run.code, run.json) == (0, {"job": "broken", "dropped": True})
    assert not of("broken", redis_url)
    assert "broken" not in job("list").err
