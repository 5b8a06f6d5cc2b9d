"""The realtime client against somebody who answers as the test wants it, on a real server."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import numpy as np
import pytest
from opentelemetry import trace

from engine import keys
from engine.call import Call, Reply
from engine.calls import REPLIES_KEPT
from engine.errors import (
    Busy,
    Closed,
    Dead,
    Expired,
    NoConsumers,
    NotPriced,
    Refused,
    Rejected,
    TimedOut,
    UsageError,
)
from engine.grid import Grid
from engine.job import Lane
from producer import connect
from producer.client import Client
from producer.client_result import Result
from tests.producer.responders import NAME, ended, left_behind, present, priced, responding, take

SOON = 10.0
"""Seconds in which what must happen has happened, on a busy machine too."""


@asynccontextmanager
async def alone(url: str, grid: Grid) -> AsyncIterator[Client]:
    """A client of a consumer that is announced, and takes only what the test takes for it."""
    await grid.calls.ensure_groups([Lane.REALTIME])
    await present(grid)
    async with connect(url) as client:
        yield client


async def until(happened: Callable[[], Any]) -> None:
    """Wait until an async condition holds."""
    with anyio.fail_after(SOON):
        while not await happened():  # noqa: ASYNC110 - on the server, which sends no event
            await anyio.sleep(0.002)


async def nothing_left(grid: Grid) -> bool:
    return not await left_behind(grid)


async def queued(grid: Grid) -> int:
    return (await grid.calls.backlog([Lane.REALTIME]))[Lane.REALTIME]


async def test_a_trade_is_priced_and_tells_its_times(redis_url: str, grid: Grid) -> None:
    asked: list[Call] = []

    def answer(call: Call) -> Reply:
        asked.append(call)
        return priced(call, se=0.5, delta=2.0, delta_se=0.25, vega=-1.0, vega_se=0.125, paths=77)

    async with responding(redis_url, answer), connect(redis_url) as client:
        result = await client.price(
            {"id": 7, "spot": 0.9}, algorithm="deltavega", seed=5, paths=77, options={"a": 1}
        )
    assert (result.id, result.pv, result.se, result.paths) == (7, 1.0, 0.5, 77)
    assert (result.delta, result.delta_se, result.vega, result.vega_se) == (2.0, 0.25, -1.0, 0.125)
    assert (result.outcome, result.attempts, result.consumer) == ("priced", 1, NAME)
    assert (result.queued_ms, result.priced_ms) == (0.5, 0.25)
    assert result.total_ms == pytest.approx(0.5 + 0.25 + result.returned_ms, abs=0.01)
    [call] = asked
    assert call.trade == {"id": 7, "spot": 0.9}
    assert (call.algorithm, call.request.seed, call.request.paths) == ("deltavega", 5, 77)
    assert (call.request.accuracy, call.request.options) == (None, {"a": 1})


async def test_figures_that_a_pricer_does_not_give_are_none(redis_url: str, grid: Grid) -> None:
    async with responding(redis_url), connect(redis_url) as client:
        result = await client.price({})
    assert result.id == 0, "the ID of a trade that has none"
    assert (result.se, result.delta, result.vega, result.paths) == (None, None, None, None)


async def test_numbers_of_numpy_are_numbers(redis_url: str, grid: Grid) -> None:
    asked: list[Call] = []

    def answer(call: Call) -> Reply:
        asked.append(call)
        return priced(call)

    async with responding(redis_url, answer), connect(redis_url) as client:
        await client.price({"id": np.int64(3), "spot": np.float64(0.1)})
    assert asked[0].trade == {"id": 3, "spot": 0.1}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (ended("rejected", "spot is -1"), Rejected, "spot is -1"),
        (ended("dead", "it died 3 times"), Dead, "it died 3 times"),
        (ended("expired", "too late"), Expired, "too late"),
        (ended("cancelled", "who knows"), NotPriced, "who knows"),
    ],
)
async def test_each_outcome_has_its_error(
    redis_url: str, grid: Grid, answer: Any, error: type[NotPriced], words: str
) -> None:
    async with responding(redis_url, answer), connect(redis_url) as client:
        with pytest.raises(error, match=words) as raised:
            await client.price({"id": 1})
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("trade", "more", "words"),
    [
        ([("spot", 1)], {}, "a trade is a list: must be a mapping"),
        (None, {}, "a trade is a NoneType"),
        ({"spot": math.nan}, {}, "spot is nan: must be a finite number"),
        ({"spot": np.float32(np.inf)}, {}, "spot is inf: must be a finite number"),
        ({"spot": object()}, {}, "cannot be written as JSON"),
        ({"spot": 2**70}, {}, "cannot be written as JSON"),
        ({7: 1}, {}, "cannot be written as JSON"),
        ({"spot": "x" * 2**20}, {}, "at most 1048576"),
        ({}, {"algorithm": 7}, "algorithm is 7"),
        ({}, {"seed": -1}, "seed is -1"),
        ({}, {"paths": 0}, "paths is 0"),
        ({}, {"accuracy": math.nan}, "accuracy"),
        ({}, {"accuracy": 2}, "accuracy is 2"),
        ({}, {"options": {"a": object()}}, "the request"),
        ({}, {"options": 7}, "the request"),
        ({}, {"deadline": 0}, "deadline is 0"),
        ({}, {"deadline": math.nan}, "deadline is nan"),
        ({}, {"deadline": math.inf}, "deadline is inf"),
    ],
)
async def test_what_nobody_could_read_is_refused_at_the_call(
    redis_url: str, grid: Grid, trade: Any, more: dict[str, Any], words: str
) -> None:
    async with alone(redis_url, grid) as client:
        with pytest.raises(UsageError, match=words):
            await client.price(trade, **more)
        assert await queued(grid) == 0


async def test_ten_thousand_calls_at_once(redis_url: str, grid: Grid) -> None:
    """On one client, without an error; each gets the answer to its own trade."""
    async with responding(redis_url), connect(redis_url) as client:
        before = len(await grid.redis.client_list())
        calls = [client.price({"id": number}, deadline=60) for number in range(10_000)]
        results = await asyncio.gather(*calls)
        assert len(await grid.redis.client_list()) <= before + 3
    assert [result.id for result in results] == list(range(10_000))
    assert await left_behind(grid) == []


async def test_a_call_that_is_cancelled_is_withdrawn(redis_url: str, grid: Grid) -> None:
    async with alone(redis_url, grid) as client:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.price, {"id": 1})
                await until(lambda: queued(grid))
                scope.cancel()

        await until(partial(nothing_left, grid))


async def test_a_call_that_is_cancelled_before_it_is_sent_is_never_sent(
    redis_url: str, grid: Grid
) -> None:
    async with alone(redis_url, grid) as client:
        task = asyncio.create_task(client.price({"id": 1}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        other = asyncio.create_task(client.price({"id": 2}))
        await until(lambda: queued(grid))
        assert [call.trade["id"] for call in await take(grid)] == [2]
        other.cancel()
        await asyncio.wait([other])


@pytest.mark.pain("redis-py#2624", "redis-py#2665")
async def test_a_call_that_is_cancelled_while_it_is_sent_is_withdrawn(
    redis_url: str, grid: Grid
) -> None:
    async with alone(redis_url, grid) as client:
        post = client._post
        task = asyncio.create_task(client.price({"id": 1}))
        while post.to_send or not post.open:  # noqa: ASYNC110 - a state that passes unannounced
            await asyncio.sleep(0)
        [call] = post.open.values()
        assert call.entry_id is None
        task.cancel()
        other = asyncio.create_task(client.price({"id": 2}))
        await until(lambda: asyncio.sleep(0, all(c.entry_id for c in post.open.values())))
        await until(lambda: asyncio.sleep(0, not post.to_withdraw))
        assert [call.trade["id"] for call in await take(grid)] == [2]
        other.cancel()
        await asyncio.wait([task, other])


async def test_the_callers_trace_travels_with_the_call(redis_url: str, grid: Grid) -> None:
    span = trace.SpanContext(0xABC, 0xDEF, False, trace.TraceFlags(1))
    async with alone(redis_url, grid) as client:
        with trace.use_span(trace.NonRecordingSpan(span)):
            task = asyncio.create_task(client.price({"id": 1}))
        await until(lambda: queued(grid))
        [call] = await take(grid)
        assert call.traceparent == f"00-{0xABC:032x}-{0xDEF:016x}-01"
        task.cancel()
        await asyncio.wait([task])


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped(
    redis_url: str, grid: Grid
) -> None:
    async with alone(redis_url, grid) as client:
        task = asyncio.create_task(client.price({"id": 1}))
        await until(lambda: queued(grid))
        [call] = await take(grid)
        task.cancel()
        await asyncio.wait([task])
        assert await grid.calls.answer([(call, priced(call))]) == [1]
        other = asyncio.create_task(client.price({"id": 2}))
        await until(lambda: queued(grid))
        [second] = await take(grid)
        await grid.calls.answer([(second, priced(second))])
        assert (await other).id == 2
    assert await left_behind(grid) == []


async def test_leaving_ends_what_is_under_way(redis_url: str, grid: Grid) -> None:
    """Nothing is left: neither what was taken by nobody, nor answers that were not read."""
    async with alone(redis_url, grid) as client:
        tasks = [asyncio.create_task(client.price({"id": number})) for number in range(50)]

        async def sent() -> bool:
            return await queued(grid) == 50

        await until(sent)
    for task in tasks:
        with pytest.raises(Closed):
            await task
    assert await left_behind(grid) == []
    with pytest.raises(Closed):
        await client.price({"id": 1})


async def test_an_error_of_the_block_leaves_it_as_it_is(redis_url: str, grid: Grid) -> None:
    """Not wrapped in a group, as those of its background would be."""
    with pytest.raises(KeyError, match="mine"):
        async with connect(redis_url):
            raise KeyError("mine")
    async with responding(redis_url, ended("rejected", "no")):
        with pytest.raises(Rejected):
            async with connect(redis_url) as client:
                await client.price({})


async def test_a_block_that_is_cancelled_leaves_nothing(redis_url: str, grid: Grid) -> None:
    with anyio.CancelScope() as scope:
        async with alone(redis_url, grid) as client:
            task = asyncio.create_task(client.price({"id": 1}))
            await until(lambda: queued(grid))
            scope.cancel()
            await anyio.sleep_forever()
    with pytest.raises(Closed):
        await task
    assert await left_behind(grid) == []


async def test_nobody_has_answered_by_the_deadline(redis_url: str, grid: Grid) -> None:
    async with alone(redis_url, grid) as client:
        began = anyio.current_time()
        with pytest.raises(TimedOut, match=r"no answer within 0\.3 s"):
            await client.price({"id": 1}, deadline=0.3)
        assert 0.3 <= anyio.current_time() - began < 0.8
        await until(partial(nothing_left, grid))


async def test_the_deadline_travels_with_the_call(redis_url: str, grid: Grid) -> None:
    async with alone(redis_url, grid) as client:
        task = asyncio.create_task(client.price({"id": 1}, deadline=30))
        await until(lambda: queued(grid))
        [call] = await take(grid)
        now = await grid.calls.server_time(call.partition)
        assert 25 < call.deadline_ms / 1000 - now <= 30.1
        task.cancel()
        await asyncio.wait([task])


async def test_a_busy_lane_refuses_at_once(redis_url: str, grid: Grid) -> None:
    await present(grid)
    async with connect(redis_url, limit=2) as client:
        answers = await asyncio.gather(
            *(client.price({"id": number}, deadline=0.5) for number in range(5)),
            return_exceptions=True,
        )
    assert [type(answer) for answer in answers] == [TimedOut] * 2 + [Busy] * 3
    assert isinstance(answers[-1], Busy)
    assert answers[-1].backlog == 2
    assert "consume --lane realtime" in str(answers[-1])


async def test_no_limit_may_lose_answers(redis_url: str, grid: Grid) -> None:
    """More under way than a reply stream keeps could have their answers dropped unread."""
    async with connect(redis_url, limit=10**9) as client:
        assert client._post.limit == REPLIES_KEPT


async def test_replies_have_a_time_to_live(redis_url: str, grid: Grid) -> None:
    """A client that dies leaves nothing: here it stops reading, and never says goodbye."""
    async with alone(redis_url, grid) as client:
        task = asyncio.create_task(client.price({"id": 1}))
        await until(lambda: queued(grid))
        [call] = await take(grid)
        await grid.calls.answer([(call, priced(call))])
        await task
        key = keys.replies(call.partition, call.client)
        assert 0 < await grid.redis.pttl(key) <= 60_000


async def test_what_is_no_reply_is_passed_over(redis_url: str, grid: Grid) -> None:
    """G10: hostile bytes in the reply stream, and answers to calls that were never made."""
    async with alone(redis_url, grid) as client:
        task = asyncio.create_task(client.price({"id": 1}))
        await until(lambda: queued(grid))
        [call] = await take(grid)
        key = keys.replies(call.partition, call.client)
        stranger = Reply("never", {"id": 1, "outcome": "priced"}, NAME, 0.0).to_json()
        for data in (b"", b"{}", b"\xff", b"[" * 5000, stranger):
            await grid.redis.xadd(key, {"reply": data})
        await grid.redis.xadd(key, {"other": b"1"})
        await grid.calls.answer([(call, priced(call))])
        assert (await task).id == 1


async def test_a_key_that_is_something_else_is_told(redis_url: str, grid: Grid) -> None:
    """G10: a clear error, at once, and the client goes on when it is mended."""
    async with alone(redis_url, grid) as client:
        lane = keys.stream(client._post.partition, Lane.REALTIME)
        await grid.redis.delete(lane)
        await grid.redis.set(lane, "x")
        with pytest.raises(Refused, match="WRONGTYPE"):
            await client.price({"id": 1})
        await grid.redis.delete(lane)
        replies = keys.replies(client._post.partition, client._post.client)
        await grid.redis.set(replies, "x")
        with pytest.raises(Refused, match="WRONGTYPE"):
            await client.price({"id": 1})
        await grid.redis.delete(replies)
        async with responding(redis_url):
            assert (await client.price({"id": 3})).id == 3


async def test_a_defect_is_told_to_those_who_wait(
    redis_url: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in the background leaves nobody waiting, and is not hidden."""

    def broken(_reply: Reply, _ms: float) -> Result:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("producer.client_post.answer_of", broken)
    async with responding(redis_url):
        with pytest.raises(ZeroDivisionError, match="a defect"):  # noqa: PT012 - of the block
            async with connect(redis_url) as client:
                with pytest.raises(Closed):
                    await client.price({"id": 1})
                with pytest.raises(ZeroDivisionError):
                    await client.price({"id": 2})


async def test_without_a_consumer_it_says_so_at_once(redis_url: str, grid: Grid) -> None:
    async with connect(redis_url) as client:
        for _ in range(2):
            began = anyio.current_time()
            with pytest.raises(NoConsumers, match="`azfinsim consume --lane realtime`"):
                await client.price({"id": 1}, deadline=60)
            assert anyio.current_time() - began < 1.0
    assert await left_behind(grid) == []
