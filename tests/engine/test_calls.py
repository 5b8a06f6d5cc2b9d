"""The steps by which a realtime call is sent, taken, answered and withdrawn, one by one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from engine import keys
from engine.call import Ask, Call, Moved, Reply, encode_request
from engine.calls import MOST_AT_ONCE, REPLIES_LIVE_MS, Busy, Sent
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.pricing.pricer import Request
from tests.conftest import FreshServer

STREAM, REPLIES = keys.stream(0, Lane.REALTIME), keys.replies(0, "desk")
LANES = [Lane.REALTIME]
REQUEST = encode_request("pvonly", Request(seed=7))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.calls.ensure_groups(LANES)
        yield grid


def raw(grid: Grid) -> Any:
    """The client, without its types."""
    return grid.redis


def ask(call: str, client: str = "desk", ttl_ms: int = 5_000) -> Ask:
    return Ask(call, client, b'{"id":3,"spot":1.1}', REQUEST, ttl_ms, "00-ab-cd-01")


async def send(grid: Grid, *asks: Ask, limit: int = 1000) -> list[Sent | Busy | Exception]:
    return await grid.calls.send(0, asks, limit)


async def take(grid: Grid, consumer: str = "a") -> list[Call]:
    found = await grid.calls.take(consumer, 0, LANES, 10_000, None)
    return [call for call in found if isinstance(call, Call)]


def reply(call: Call, pv: float = 0.5) -> tuple[Call, Reply]:
    record = {"id": call.trade["id"], "pv": pv, "outcome": "priced"}
    return call, Reply(call.call, record, "a", 0.25)


async def answer(grid: Grid, *calls: Call) -> list[int | Exception]:
    return await grid.calls.answer([reply(call) for call in calls])


async def replies(grid: Grid, client: str = "desk", after: str = "0") -> list[str]:
    _, found = await grid.calls.replies(0, client, after, None, 10_000)
    return [reply.call for reply in found]


async def pending(grid: Grid) -> list[tuple[str, int]]:
    found = await raw(grid).xpending_range(STREAM, keys.GROUP, "-", "+", 10_000)
    return [(entry["consumer"].decode(), entry["times_delivered"]) for entry in found]


async def test_a_call_comes_with_all_it_was_sent_with(grid: Grid) -> None:
    before = await grid.calls.server_time(0)
    [sent] = await send(grid, ask("c1"))
    assert isinstance(sent, Sent)
    [call] = await take(grid)
    assert call == Call(
        0,
        sent.entry_id,
        "c1",
        "desk",
        {"id": 3, "spot": 1.1},
        "pvonly",
        Request(seed=7),
        REQUEST,
        sent.deadline_ms,
        "00-ab-cd-01",
        queued_ms=int(sent.entry_id.partition("-")[0]),
    )
    assert 0 <= sent.deadline_ms - 5_000 - int(before * 1000) < 1_000
    assert 0 <= call.queued_ms - int(before * 1000) < 1_000


async def test_busy_is_told_at_once(grid: Grid) -> None:
    """Those that find room are queued, in the order in which they came."""
    first, second, third = await send(grid, ask("c1"), ask("c2"), ask("c3"), limit=2)
    assert isinstance(first, Sent)
    assert isinstance(second, Sent)
    assert third == Busy(2)
    [call, _] = await take(grid)
    assert await send(grid, ask("c4"), limit=2) == [Busy(2)], "what is priced counts too"
    await answer(grid, call)
    assert isinstance((await send(grid, ask("c4"), limit=2))[0], Sent)


async def test_a_call_is_answered_once(grid: Grid) -> None:
    """G2: twice in one go, again later, and by one who had it before."""
    await send(grid, ask("c1"), ask("c2"))
    first, second = await take(grid)
    assert await answer(grid, first, second, first) == [1, 1, 0]
    assert await answer(grid, second) == [0]
    assert await replies(grid) == ["c1", "c2"]
    assert await raw(grid).xlen(STREAM) == 0
    assert await pending(grid) == []
    await grid.calls.forget(0, "desk")
    assert await raw(grid).keys("*replies*") == []


async def test_each_client_has_its_own_replies(grid: Grid) -> None:
    """In any number and order; outcomes come in the order of what was answered."""
    asks = [ask(f"c{n}", client=("desk", "risk")[n % 2]) for n in range(3 * MOST_AT_ONCE)]
    assert all(isinstance(sent, Sent) for sent in await send(grid, *asks))
    calls = await take(grid)
    await answer(grid, calls[5])
    assert await answer(grid, *calls) == [int(at != 5) for at in range(len(calls))]
    risk = await replies(grid, "risk")
    assert sorted(risk) == sorted(each.call for each in asks if each.client == "risk")
    assert len(await replies(grid)) + len(risk) == len(asks)


async def test_replies_are_read_on_from_the_last(grid: Grid) -> None:
    await send(grid, ask("c1"), ask("c2"))
    calls = await take(grid)
    await answer(grid, calls[0])
    last, [first] = await grid.calls.replies(0, "desk", "0", None, 10)
    assert first == reply(calls[0])[1]
    assert await grid.calls.replies(0, "desk", last, 1, 10) == (last, [])
    await raw(grid).xadd(REPLIES, {"reply": b"\xff", "other": 1})
    await answer(grid, calls[1])
    assert await replies(grid, after=last) == ["c2"]


async def test_replies_have_a_time_to_live(grid: Grid) -> None:
    """G8: a client that dies leaves nothing behind."""
    await send(grid, ask("c1"))
    await answer(grid, *await take(grid))
    assert REPLIES_LIVE_MS - 5_000 < await raw(grid).pttl(REPLIES) <= REPLIES_LIVE_MS


async def test_what_nobody_has_taken_can_be_withdrawn(grid: Grid) -> None:
    sent = [each for each in await send(grid, ask("c1"), ask("c2")) if isinstance(each, Sent)]
    assert await grid.calls.withdraw(0, sent[0].entry_id)
    assert not await grid.calls.withdraw(0, sent[0].entry_id)
    [call] = await take(grid)
    assert call.call == "c2"
    assert not await grid.calls.withdraw(0, sent[1].entry_id)
    assert await answer(grid, call) == [1]
    await raw(grid).flushall()
    [alone] = await send(grid, ask("c3"))
    assert isinstance(alone, Sent)
    assert await grid.calls.withdraw(0, alone.entry_id), "before there is a consumer"


async def test_handing_back_happens_once_and_keeps_what_it_was(grid: Grid) -> None:
    """G5, G7: its deadline, its age and its attempts."""
    await send(grid, ask("c1"))
    [call] = await take(grid)
    for _ in range(2):
        await grid.calls.hand_back("a", [call])
    [again] = await take(grid, "b")
    assert again.entry_id != call.entry_id
    assert (again.deadline_ms, again.queued_ms) == (call.deadline_ms, call.queued_ms)
    assert (again.trade, again.request, again.traceparent, again.attempts) == (
        call.trade,
        call.request,
        call.traceparent,
        1,
    )
    await grid.calls.hand_back("b", [again])
    [last] = await take(grid)
    assert (last.queued_ms, last.handed_back) == (call.queued_ms, True)
    assert await answer(grid, call, again, last) == [0, 0, 1]
    await grid.calls.hand_back("a", [last])
    assert await raw(grid).xlen(STREAM) == 0


async def test_a_client_is_told_where_a_call_is_that_was_handed_back(grid: Grid) -> None:
    """So that it neither sends it again nor withdraws it in vain; not even a damaged address
    keeps the call from those who may price it."""
    await send(grid, ask("c1"))
    [call] = await take(grid)
    await grid.calls.hand_back("a", [call])
    [(entry, _)] = await raw(grid).xrange(STREAM)
    last, news = await grid.calls.news(0, "desk", "0", None, 10)
    assert news == [Moved("c1", call.entry_id, entry.decode())]
    assert 0 < await raw(grid).pttl(REPLIES) <= REPLIES_LIVE_MS
    [again] = await take(grid, "b")
    await answer(grid, again)
    assert await replies(grid) == await replies(grid, after=last) == ["c1"]
    await raw(grid).set(REPLIES, "x")
    await send(grid, ask("c2"))
    await grid.calls.hand_back("a", await take(grid))
    assert [each.call for each in await take(grid)] == ["c2"]


async def test_a_suspect_that_is_handed_back_stays_so(grid: Grid) -> None:
    """G5: at no attempt, and for those who take it after the next one too."""
    await send(grid, ask("c1"))
    await take(grid)
    _, found = await grid.calls.reclaim("b", 0, Lane.REALTIME, 0, "0-0", 10)
    [call] = [each for each in found if isinstance(each, Call)]
    for _ in range(2):
        await grid.calls.hand_back("b", [call])
        [call] = await take(grid, "b")
        assert (call.deliveries, call.lapsed, call.spent, call.attempts) == (1, 1, 0, 2)


async def test_a_call_with_thousands_of_fields_can_be_handed_back(grid: Grid) -> None:
    """G10: more than a script can pass on in one go."""
    await send(grid, ask("c1"))
    [(_, fields)] = await raw(grid).xrange(STREAM)
    more = {f"field-{n}": "x" for n in range(5_000)}
    await raw(grid).xadd(STREAM, {**fields, **more})
    calls = await take(grid)
    await grid.calls.hand_back("a", calls)
    assert [call.fault for call in await take(grid)] == ["", ""]


async def test_a_lapsed_call_is_taken_over_and_answered_once(grid: Grid) -> None:
    """G2, G4, G6: the one who had it and wakes has no say any more but may answer first."""
    await send(grid, ask("c1"))
    [call] = await take(grid)
    assert await grid.calls.renew("a", [call]) == []
    _, found = await grid.calls.reclaim("b", 0, Lane.REALTIME, 0, "0-0", 10)
    [heir] = found
    assert isinstance(heir, Call)
    assert heir.attempts == 2
    assert await grid.calls.renew("a", [call]) == [call]
    assert await answer(grid, call) == [1]
    assert await answer(grid, heir) == [0]
    assert await replies(grid) == ["c1"]


async def test_who_has_lost_a_call_does_not_hand_it_back(grid: Grid) -> None:
    """G4, G6: a zombie leaves it to whoever prices it now, and its client hears nothing of it."""
    await send(grid, ask("c1"))
    [call] = await take(grid)
    _, [heir] = await grid.calls.reclaim("b", 0, Lane.REALTIME, 0, "0-0", 10)
    assert isinstance(heir, Call)
    await grid.calls.hand_back("a", [call])
    assert await pending(grid) == [("b", 2)]
    assert not await raw(grid).exists(REPLIES)
    await grid.calls.hand_back("b", [heir])
    assert [each.call for each in await take(grid)] == ["c1"]


async def test_a_full_server_loses_no_reply(fresh_server: FreshServer) -> None:
    """G1: the call stays pending, and can be handed back."""
    async with open_grid(Address.parse(fresh_server().url)) as grid:
        await grid.calls.ensure_groups(LANES)
        await send(grid, ask("c1"), ask("c2"))
        first, second = await take(grid)
        await raw(grid).config_set("maxmemory", "1")
        for result in (await answer(grid, first))[0], (await send(grid, ask("c3")))[0]:
            assert isinstance(result, OutOfMemoryError)
        assert len(await pending(grid)) == 2
        await grid.calls.hand_back("a", [second])
        await raw(grid).config_set("maxmemory", "0")
        assert await answer(grid, first) == [1]
        assert [call.call for call in await take(grid)] == ["c2"]


async def test_a_damaged_reply_address_is_told_before_anything_is_written(grid: Grid) -> None:
    """G10: and does not keep another client from its answer."""
    await send(grid, ask("c1"), ask("c2", client="risk"))
    await raw(grid).set(REPLIES, "x")
    damaged, well = await answer(grid, *await take(grid))
    assert isinstance(damaged, ResponseError)
    assert "WRONGTYPE" in str(damaged)
    assert well == 1
    assert await pending(grid) == [("a", 1)]


async def test_a_server_that_has_lost_everything(grid: Grid) -> None:
    """G4."""
    await send(grid, ask("c1"))
    [call] = await take(grid)
    await raw(grid).flushall()
    assert await answer(grid, call) == [0]
    await grid.calls.hand_back("a", [call])
    assert await take(grid) == [], "the group is made"
    await send(grid, ask("c1"))
    assert len(await take(grid)) == 1


async def test_a_reader_wakes_for_a_reply(grid: Grid) -> None:
    """Before there is any stream to read from."""
    await send(grid, ask("c1"))
    calls = await take(grid)
    found: Sequence[Reply] = []
    async with open_grid(Address.parse(_url(grid))) as other, anyio.create_task_group() as tasks:

        async def read() -> None:
            nonlocal found
            _, found = await other.calls.replies(0, "desk", "0", 4_000, 10)

        tasks.start_soon(read)
        while not (await raw(grid).info("clients"))["blocked_clients"]:  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.001)
        await answer(grid, *calls)
    assert [reply.call for reply in found] == ["c1"]


def _url(grid: Grid) -> str:
    return f"unix://{raw(grid).connection_pool.connection_kwargs['path']}"
