"""One controller leads, by a lease and a token; what it sees of a grid."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import anyio
import pytest
import redis.asyncio
from anyio import to_thread

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from engine.roster import Presence
from infra.controller.history import History, Sample
from infra.controller.lead import Lead
from infra.controller.look import Lookout, kind_of
from infra.controller.model import Decision, Policy
from infra.controller.run import Controller
from infra.pool.consumers import Count
from producer.generate import generate
from producer.submit import submit
from tests.waiting import eventually

DECISION = Decision(1.0, 3)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # which redis-py needs


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as opened:
        yield opened


def candidate(grid: Grid, lease: float = 60.0) -> Lead:
    return Lead(grid.redis, "bulk", lease)


async def lapsed(grid: Grid) -> None:
    """As if whoever leads had been frozen past its lease."""
    await grid.redis.hset(keys.controller("bulk"), "until", "1")


async def test_one_leads_until_it_resigns(grid: Grid) -> None:
    one, other = candidate(grid), candidate(grid)
    assert await one.take()
    assert one.leads
    assert not await other.take()
    assert not other.leads
    assert other.leader == one.name
    assert await one.take()  # goes on leading
    token = one.token
    await one.resign()
    assert one.until < 0
    assert await other.take()
    assert other.token > token


async def test_lanes_have_leaders_of_their_own(grid: Grid) -> None:
    assert await candidate(grid).take()
    assert await Lead(grid.redis, "realtime", 60.0).take()


async def test_what_a_leader_writes_whose_lease_has_lapsed_is_refused(grid: Grid) -> None:
    frozen, next_ = candidate(grid), candidate(grid)
    assert await frozen.take()
    assert await frozen.record(History(), DECISION)
    await lapsed(grid)
    assert not await frozen.record(History(), replace(DECISION, consumers=99))
    assert not frozen.leads
    assert await next_.take()
    assert not await frozen.record(History(), replace(DECISION, consumers=99))
    await frozen.resign()  # which is not its to do any more
    assert await next_.record(History(), DECISION)
    stored = await grid.redis.hget(keys.controller("bulk"), "decision")
    assert b'"consumers":3' in (stored or b"")


async def test_a_lease_lapses_by_our_own_clock_too(grid: Grid) -> None:
    one = candidate(grid, lease=0.05)
    assert await one.take()
    await to_thread.run_sync(lambda: eventually(lambda: not one.leads))
    # Nobody else has led meanwhile: it goes on, under the same token.
    token = one.token
    assert await one.take()
    assert one.token == token


async def test_a_token_grows_even_if_the_server_loses_its_data(grid: Grid) -> None:
    one, other = candidate(grid), candidate(grid)
    assert await one.take()
    await grid.redis.flushall()
    assert await other.take()
    assert other.token > one.token
    assert not await one.record(History(), DECISION)


async def test_what_was_learnt_is_left_to_the_next(grid: Grid) -> None:
    one, other = candidate(grid), candidate(grid)
    assert await one.take()
    history = History({"pvonly": [Sample(100, 1.0)]})
    assert await one.record(history, DECISION)
    assert (await other.history()).costs == history.costs
    assert 0 < await grid.redis.ttl(keys.controller("bulk")) <= 7 * 86_400


@pytest.mark.parametrize("stored", [b"", b"\xff\xfe", b"[1]", b'{"costs":{"a":[{}]}}'])
async def test_a_history_that_somebody_has_spoilt_is_begun_anew(grid: Grid, stored: bytes) -> None:
    await grid.redis.hset(keys.controller("bulk"), "history", stored)
    assert await candidate(grid).history() == History()


# What is seen

TRADES = 500


async def filled(grid: Grid) -> None:
    await grid.cache.upsert("default", generate(1, 0, TRADES))


def job(name: str, **fields: object) -> Job:
    return replace(Job(name, "synthetic"), **fields)  # type: ignore[arg-type]


async def test_jobs_are_seen_in_the_order_in_which_consumers_come_to_them(grid: Grid) -> None:
    await filled(grid)
    for each in (
        job("first", by=2e9),
        job("second", lane=Lane.HIGH, trades="0:100"),
        job("third", after="first", chunk=10),
        job("fourth", trades="0:7"),
    ):
        await submit(grid, each)
    seen = await Lookout(grid, Lane.BULK).look(Count())
    assert [(d.job, d.left, d.chunk) for d in seen.demands] == [
        ("second", 100, 100),
        ("first", TRADES, 100),
        ("fourth", 7, 100),
        ("third", TRADES, 10),
    ]
    assert seen.demands[1].due == 2e9
    assert [d.job for d in seen.demands if d.held] == ["third"]
    assert seen.entries == 1 + 5 + 1


async def test_a_job_whose_predecessor_has_ended_is_released_though_no_consumer_runs(
    grid: Grid,
) -> None:
    await filled(grid)
    await submit(grid, job("first", trades="0:100"))
    await submit(grid, job("after", after_any=True, after="first"))
    lookout = Lookout(grid, Lane.BULK)
    assert (await lookout.look(Count())).entries == 1
    first = await grid.jobs.get("first")
    assert first is not None
    await grid.jobs.fence(first, 0, "cancel")
    await grid.streams.sweep(first, 0)
    seen = await lookout.look(Count())
    assert [d.held for d in seen.demands if d.job == "after"] == [False]
    assert await grid.streams.backlog([Lane.BULK]) == {Lane.BULK: 5}


async def test_those_of_the_crew_are_told_from_others(grid: Grid) -> None:
    lanes = ["high", "bulk"]
    for presence in (
        Presence("a", lanes, 8, 1, crew="night/1"),
        Presence("b", lanes, 8, 1, crew="night/2"),
        Presence("c", lanes, 8, 1, crew="night/3", draining=True),
        Presence("d", lanes, 4, 1),
        Presence("e", ["realtime"], 2, 1),
    ):
        await grid.roster.announce(presence)
    seen = await Lookout(grid, Lane.BULK, "night".__eq__).look(
        Count(queued=3, running=3, leaving=1)
    )
    assert (seen.living, seen.slots, seen.starting, seen.others) == (2, 16, 4, 4)


async def test_a_damaged_job_is_nobodys_reason_to_stop(grid: Grid) -> None:
    await filled(grid)
    await submit(grid, job("good"))
    await submit(grid, job("bad"))
    await grid.redis.hset(keys.job("bad"), "spec", b"{}")
    seen = await Lookout(grid, Lane.BULK).look(Count())
    assert [d.job for d in seen.demands] == ["good"]


async def test_a_job_whose_entries_are_lost_is_told_from_others(grid: Grid) -> None:
    await filled(grid)
    await submit(grid, job("night"))
    [seen] = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert seen.left
    assert not seen.lost
    for partition in range(grid.partitions):
        await grid.redis.delete(keys.stream(partition, Lane.BULK))
    [seen] = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert seen.left
    assert seen.lost
    # Another lane is another matter.
    await submit(grid, job("urgent", lane=Lane.HIGH))
    both = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert [(demand.job, demand.lost) for demand in both] == [("urgent", False), ("night", True)]


@dataclass
class SlowCrew:
    """Consumers that take their time, as hundreds of Batch tasks do."""

    seconds: float
    asked: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    begun: anyio.Event = field(default_factory=anyio.Event)

    async def count(self) -> Count:
        return Count()

    async def set(self, wanted: int) -> int:
        self.asked.append(wanted)
        self.begun.set()
        await anyio.sleep(self.seconds)
        self.done.append(wanted)
        return wanted


def once(grid: Grid, crew: SlowCrew) -> Controller:
    lookout = Lookout(grid, Lane.BULK)
    return Controller(candidate(grid, 0.6), lookout, crew, Policy(floor=2), 1.0)


async def test_to_act_once_may_outlast_a_lease_and_nobody_else_leads_meanwhile(grid: Grid) -> None:
    slow, other = SlowCrew(1.5), SlowCrew(0.0)
    async with anyio.create_task_group() as group:

        async def lead() -> None:
            assert await once(grid, slow).run_once()

        group.start_soon(lead)
        await slow.begun.wait()
        led = False
        while not slow.done and not led:
            # It may lead as soon as the other is done, and not before.
            led = await once(grid, other).run_once()
            assert not led or slow.done
            await anyio.sleep(0.05)
    assert slow.done == [2]


async def test_to_act_once_ends_when_another_leads(grid: Grid) -> None:
    slow, led, ended = SlowCrew(30.0), [], anyio.Event()
    async with anyio.create_task_group() as group:

        async def lead() -> None:
            led.append(await once(grid, slow).run_once())
            ended.set()

        group.start_soon(lead)
        await slow.begun.wait()
        await lapsed(grid)
        next_ = candidate(grid)
        assert await next_.take()
        with anyio.fail_after(5):
            await ended.wait()
    assert led == [False]
    assert slow.asked == [2]
    assert not slow.done


async def test_realtime_calls_are_counted(grid: Grid) -> None:
    lookout = Lookout(grid, Lane.REALTIME)
    seen = await lookout.look(Count())
    assert seen.calls is not None
    assert (seen.calls.arrived, seen.calls.inside) == (0, 0)
    stream = keys.stream(0, Lane.REALTIME)
    ids = [await grid.redis.xadd(stream, {"n": n}) for n in range(5)]
    await grid.redis.xdel(stream, *ids[1:4])
    seen = await lookout.look(Count())
    assert seen.calls is not None
    assert (seen.calls.arrived, seen.calls.inside) == (5, 2)
    assert 0 <= seen.calls.oldest < 10


def test_jobs_whose_trades_cost_the_same_are_of_one_kind() -> None:
    assert kind_of(job("a", seed=1)) == kind_of(job("b", seed=2, by=1.0, chunk=7))
    kinds = {
        kind_of(each)
        for each in (
            job("a"),
            job("a", paths=10),
            job("a", accuracy=0.1),
            job("a", book="other"),
            job("a", algorithm="pvonly"),
            job("a", options={"task_duration": 5.0}),
        )
    }
    assert len(kinds) == 6


async def test_a_key_that_is_something_else_is_told(grid: Grid) -> None:
    await grid.redis.set(keys.controller("bulk"), "x")
    with pytest.raises(redis.asyncio.ResponseError, match="WRONGTYPE"):
        await candidate(grid).take()
