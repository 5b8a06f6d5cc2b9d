"""Requests are sent as planned, and count from their plan."""

import asyncio
import time

import pytest

from loadtest.latency import Latency
from loadtest.open_loop import offer
from loadtest.schedule import constant


async def test_no_request_waits_for_those_before() -> None:
    """None ends before all have begun: a closed loop would wait for ever."""
    all_begun = asyncio.Event()
    begun: list[int] = []

    async def request(number: int, plan: float) -> None:
        begun.append(number)
        if len(begun) == 20:
            all_begun.set()
        await all_begun.wait()

    async with asyncio.timeout(30):
        await offer(constant(1000, 0.02), request)
    assert begun == list(range(20))


async def test_none_is_sent_before_its_time() -> None:
    started: list[tuple[float, float]] = []

    async def request(number: int, plan: float) -> None:
        started.append((plan, time.perf_counter()))

    await offer(constant(100, 0.2), request)
    plans, moments = zip(*started, strict=True)
    assert [plan - plans[0] for plan in plans] == pytest.approx(list(constant(100, 0.2)))
    assert all(plan <= moment for plan, moment in zip(plans, moments, strict=True))


@pytest.mark.parametrize("awake", [0.0, 0.0015])
async def test_a_stall_shows_in_the_percentiles(awake: float) -> None:
    """Coordinated omission: 0.4 s in which nothing goes on, the sending included.

    Of 100 requests a second apart by 10 ms, 40 are planned in it: they have waited from 0.4 s down
    to nothing. Counted from when they were sent, only the first would be slow.
    """
    latency = Latency()

    async def request(number: int, plan: float) -> None:
        if number == 20:
            time.sleep(0.4)  # noqa: ASYNC251 - it is the event loop that is to stall
        latency.record(time.perf_counter() - plan)

    await offer(constant(100, 1), request, awake=awake)
    assert len(latency) == 100
    assert latency.percentile(99) > 0.38
    assert latency.percentile(80) > 0.18
    assert latency.percentile(65) > 0.03


async def test_an_error_of_a_request_ends_the_test() -> None:
    async def request(number: int, plan: float) -> None:
        if number == 3:
            raise RuntimeError("a fault of ours")
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await offer(constant(1000, 0.1), request)
    assert raised.group_contains(RuntimeError, match="a fault of ours")
