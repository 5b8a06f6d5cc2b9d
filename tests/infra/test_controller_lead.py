"""One controller leads, by a lease and a token, and nobody else acts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import anyio
import pytest
import redis.asyncio
from anyio import to_thread

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Lane
from infra.controller.history import History, Sample
from infra.controller.lead import Lead, LeadLost
from infra.controller.look import Lookout
from infra.controller.model import Decision, Policy
from infra.controller.run import Controller
from infra.pool.consumers import Count, Fence, unfenced
from infra.pool.notice import Notice
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


async def test_what_was_decided_is_done_only_by_whoever_still_leads(grid: Grid) -> None:
    one, other = candidate(grid), candidate(grid)
    assert await one.take()
    token = one.token
    await one.confirm(token)
    await lapsed(grid)
    assert await other.take()
    with pytest.raises(LeadLost):
        await one.confirm(token)
    # Nor when it leads again: another has acted in between.
    await other.resign()
    assert await one.take()
    with pytest.raises(LeadLost):
        await one.confirm(token)


async def test_a_server_that_has_lost_its_last_writes_brings_no_old_leader_back(grid: Grid) -> None:
    one, other = candidate(grid), candidate(grid)
    assert await one.take()
    before = await grid.redis.hgetall(keys.controller("bulk"))
    await lapsed(grid)
    assert await other.take()
    assert not await one.take()
    await grid.redis.hset(keys.controller("bulk"), mapping=before)  # type: ignore[arg-type]
    assert await one.take()
    assert one.token > other.token


@dataclass
class SlowCrew:
    """Consumers that take their time, as hundreds of Batch tasks do."""

    seconds: float
    asked: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    begun: anyio.Event = field(default_factory=anyio.Event)

    async def count(self) -> Count:
        return Count()

    async def set(self, wanted: int, fence: Fence = unfenced) -> int:
        self.asked.append(wanted)
        self.begun.set()
        await anyio.sleep(self.seconds)
        self.done.append(wanted)
        return wanted


def once(grid: Grid, crew: SlowCrew) -> Controller:
    lookout = Lookout(grid, Lane.BULK)
    return Controller(
        candidate(grid, 0.6), lookout, crew, Policy(floor=2), 1.0, Notice(grid.redis, "bulk")
    )


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


@dataclass
class LateCrew(SlowCrew):
    """Comes to act only when it was frozen, and another leads."""

    freeze: Callable[[], Awaitable[None]] = unfenced

    async def set(self, wanted: int, fence: Fence = unfenced) -> int:
        await self.freeze()
        await fence()
        self.done.append(wanted)
        return wanted


async def test_who_was_frozen_between_deciding_and_acting_does_nothing(grid: Grid) -> None:
    async def freeze() -> None:
        await lapsed(grid)
        assert await candidate(grid).take()

    crew = LateCrew(0.0, freeze=freeze)
    assert not await once(grid, crew).run_once()
    assert not crew.done


async def test_a_crew_that_was_taken_down_is_started_by_no_controller_that_ran_then(
    grid: Grid,
) -> None:
    crew = LateCrew(0.0, freeze=Notice(grid.redis, "bulk").give)
    assert not await once(grid, crew).run_once()
    assert not crew.done
    after = LateCrew(0.0)
    assert await once(grid, after).run_once()
    assert after.done == [2]


async def test_a_key_that_is_something_else_is_told(grid: Grid) -> None:
    await grid.redis.set(keys.controller("bulk"), "x")
    with pytest.raises(redis.asyncio.ResponseError, match="WRONGTYPE"):
        await candidate(grid).take()
