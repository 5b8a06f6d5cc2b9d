"""Holdings of realtime calls: what is in hand, and who goes first."""

import anyio
import pytest

from consumer.realtime.holdings import Held, Holdings
from consumer.realtime.pace import Kind
from engine.call import Call
from engine.pricing.pricer import Request


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def call(number: int, asked: bytes = b"{}") -> Call:
    trade = {"id": number}
    return Call(0, f"{number}-0", f"c{number}", "desk", trade, "plain", Request(), asked, 0)


def filled(*calls: Call) -> Holdings:
    holdings = Holdings()
    for each in calls:
        held = Held(each)
        holdings.arrive(held)
        assert holdings.wait(held)
    return holdings


async def taken(holdings: Holdings, most: int) -> list[int]:
    def together(kind: Kind, waiting: int) -> int:
        return most

    return [held.call.trade["id"] for held in await holdings.next(together)]


async def test_kinds_are_served_in_turn_and_each_in_order() -> None:
    holdings = filled(*(call(n) for n in range(5)), call(7, b"other"), call(8, b"other"))
    assert [await taken(holdings, 2) for _ in range(4)] == [[0, 1], [7, 8], [2, 3], [4]]


async def test_an_answered_call_is_in_hand_until_it_is_let_go() -> None:
    """G6: its lease is renewed until the server knows."""
    first = call(1)
    holdings = filled(first)
    await taken(holdings, 1)
    holdings.answer(first)
    assert holdings.entries == [first]
    assert holdings.unanswered == []
    assert first in holdings
    assert holdings.lose([first]) == 0, "it is being answered"
    holdings.let_go(first)
    assert len(holdings) == 0


async def test_lost_and_late_calls_leave_the_queues() -> None:
    lost, late, left = call(1), call(2), call(3)
    holdings = filled(lost, late, left)
    assert holdings.lose([lost, call(9)]) == 1
    assert holdings.late(lambda each: each is late) == [late]
    assert await taken(holdings, 9) == [3]
    assert holdings.entries == [late, left]


async def test_closing_gives_back_what_waits_and_ends_the_slots() -> None:
    """G7."""
    first, second = call(1), call(2)
    holdings = filled(first, second)
    await taken(holdings, 1)
    ended: list[int] = []
    async with anyio.create_task_group() as tasks:

        async def slot() -> None:
            ended.extend(await taken(holdings, 1))
            ended.append(len(await taken(holdings, 1)))

        tasks.start_soon(slot)
        assert holdings.close() == [second]
    assert ended == [0]
    late = Held(call(3))
    holdings.arrive(late)
    assert not holdings.wait(late)
