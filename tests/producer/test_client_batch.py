"""Many trades through the realtime client: order, room, bad ones among them, leaving early."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from engine.call import Call, Reply
from engine.errors import NoConsumers, NotPriced, Rejected, UsageError
from engine.grid import Grid
from producer import connect
from producer.client_result import Result
from tests.producer.responders import left_behind, priced, responding


def shuffled(call: Call) -> Reply | None:
    """Rejects every seventh trade."""
    if call.trade["id"] % 7 == 3:
        record = {"id": call.trade["id"], "outcome": "rejected", "reason": "unlucky", "attempts": 1}
        return Reply(call.call, record, "somebody", 0.0)
    return priced(call)


def trades(count: int) -> Iterator[dict[str, Any]]:
    return ({"id": number} for number in range(count))


async def test_every_trade_has_its_answer(redis_url: str, grid: Grid) -> None:
    async with (
        responding(redis_url, shuffled),
        connect(redis_url) as client,
        client.price_all(trades(3000)) as answers,
    ):
        found = dict([pair async for pair in answers])
    assert sorted(found) == list(range(3000))
    for number, answer in found.items():
        if number % 7 == 3:
            assert isinstance(answer, Rejected)
        else:
            assert isinstance(answer, Result)
            assert answer.id == number
    assert await left_behind(grid) == []


async def test_they_come_in_the_order_of_the_trades(redis_url: str, grid: Grid) -> None:
    """Although the first one's answer comes last."""
    late: list[Call] = []

    def answer(call: Call) -> Reply | None:
        if call.trade["id"] == 0:
            late.append(call)
            return None
        return priced(call)

    async with responding(redis_url, answer) as other, connect(redis_url) as client:
        async with client.price_all(trades(50), in_order=True) as answers:
            with anyio.fail_after(10):
                while not (late and len(client._post.open) == 1):  # noqa: ASYNC110
                    await anyio.sleep(0.002)
            await other.calls.answer([(late[0], priced(late[0]))])
            assert [number async for number, _ in answers] == list(range(50))
        late.clear()
        async with client.price_all(trades(50)) as answers:
            first, _ = await anext(answers)
            assert first != 0, "as they come, if nothing is asked"


async def test_no_more_is_taken_than_is_read(redis_url: str, grid: Grid) -> None:
    """A reader that is slow holds back the trades, not only their answers."""
    taken = 0

    async def source() -> AsyncIterator[dict[str, Any]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield {"id": number}

    async with (
        responding(redis_url),
        connect(redis_url) as client,
        client.price_all(source(), at_once=20) as answers,
    ):
        for read in range(1, 101):
            await anext(answers)
            # One more may have been taken from the source, and wait for room.
            assert taken <= read + 20 + 1


async def test_bad_trades_end_nobody_else(redis_url: str, grid: Grid) -> None:
    mine = NotPriced("my own")
    given: list[Any] = [{"id": 0}, {"id": 1, "spot": float("nan")}, 7, mine, {"id": 4}]
    async with (
        responding(redis_url),
        connect(redis_url) as client,
        client.price_all(given, in_order=True) as answers,
    ):
        found = [answer async for _, answer in answers]
    assert [type(answer) for answer in found] == [Result, Rejected, Rejected, NotPriced, Result]
    assert "spot is nan" in str(found[1])
    assert found[3] is mine


async def test_what_is_asked_of_all_is_refused_at_once(redis_url: str, grid: Grid) -> None:
    async with connect(redis_url) as client:
        every: list[dict[str, Any]] = [{"seed": -1}, {"deadline": -1}, {"at_once": 0}]
        for bad in every:
            with pytest.raises(UsageError):
                async with client.price_all([], **bad):
                    pass


async def test_an_error_of_the_source_is_the_readers(redis_url: str, grid: Grid) -> None:
    """After the answers to what was sent before."""

    def source() -> Iterator[dict[str, Any]]:
        yield {"id": 0}
        raise OSError("the disk is gone")

    async with (
        responding(redis_url),
        connect(redis_url) as client,
        client.price_all(source()) as answers,
    ):
        assert (await anext(answers))[0] == 0
        with pytest.raises(OSError, match="the disk is gone"):
            await anext(answers)


async def test_leaving_early_withdraws_the_rest(redis_url: str, grid: Grid) -> None:
    async with responding(redis_url), connect(redis_url) as client:
        async with client.price_all(trades(10_000), at_once=100) as answers:
            await anext(answers)
        assert not client._post.open
        assert (await client.price({"id": 7})).id == 7, "the client goes on"
    assert await left_behind(grid) == []


async def test_whoever_reads_on_after_leaving_is_at_the_end(redis_url: str, grid: Grid) -> None:
    async with responding(redis_url), connect(redis_url) as client:
        async with client.price_all(trades(1_000), at_once=10) as answers:
            await anext(answers)
        with anyio.fail_after(10):
            assert len([pair async for pair in answers]) < 10
    assert await left_behind(grid) == []


async def test_it_ends_with_no_trades(redis_url: str, grid: Grid) -> None:
    async with connect(redis_url) as client, client.price_all([]) as answers:
        assert [pair async for pair in answers] == []
        assert await answers.some() == []


async def test_nobody_serves_them(redis_url: str, grid: Grid) -> None:
    async with connect(redis_url) as client, client.price_all(trades(3)) as answers:
        assert [type(answer) async for _, answer in answers] == [NoConsumers] * 3


async def test_two_batches_and_single_calls_share_a_client(redis_url: str, grid: Grid) -> None:
    async def run(first: int) -> list[int]:
        own = ({"id": first + number} for number in range(500))
        async with client.price_all(own, in_order=True) as answers:
            return [answer.id async for _, answer in answers if isinstance(answer, Result)]

    async with responding(redis_url), connect(redis_url) as client:
        one, two, single = await asyncio.gather(run(0), run(10_000), client.price({"id": 5}))
    assert (one, two) == (list(range(500)), list(range(10_000, 10_500)))
    assert single.id == 5
