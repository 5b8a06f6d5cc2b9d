"""What a consumer holds: states of an entry, order, and nobody left waiting."""

from dataclasses import replace

import anyio
import numpy as np
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from consumer.holdings import Held, Holdings
from engine.chunk import Chunk
from engine.entry import Entry
from engine.job import Job, Lane
from engine.pricing.pricer import Request


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def entry(number: int, lane: Lane = Lane.BULK) -> Entry:
    return Entry(0, lane, f"{number}-0", "night", 1, str(number))


def held(entry: Entry) -> Held:
    chunk = Chunk(np.array([1]), {}, Request(), 0.0, entry.attempts)
    return Held(entry, Job("night", "synthetic"), chunk)


def holdings(*entries: Entry) -> Holdings:
    made = Holdings()
    for each in entries:
        made.add(held(each))
    return made


def one(_queued: int, _job: str) -> int:
    return 1


async def next_of(made: Holdings) -> Held:
    [found] = await made.next(one)
    return found


async def test_higher_lanes_go_first_and_each_lane_in_turn() -> None:
    """G9: also before lower entries that were taken earlier."""
    bulk, high = [entry(1), entry(2)], [entry(3, Lane.HIGH), entry(4, Lane.HIGH)]
    made = holdings(*bulk, *high)
    assert [(await next_of(made)).entry for _ in range(4)] == [*high, *bulk]


async def test_a_slot_takes_several_of_one_job_and_lane() -> None:
    """G8, G9: as many as it is told, and none that another job or lane asks for."""
    made = holdings(entry(1), entry(2), entry(3), entry(4, Lane.HIGH))
    other = held(entry(5))
    made.add(replace(other, job=replace(other.job, name="day")))
    taken = [
        [h.entry.entry_id for h in await made.next(lambda queued, _job: queued)] for _ in range(3)
    ]
    assert taken == [["4-0"], ["1-0", "2-0", "3-0"], ["5-0"]]


def test_the_end_of_the_lowest_lane_is_given_back_first() -> None:
    """G9; and what is being given back is still in hand until the server knows."""
    high, bulk = entry(3, Lane.HIGH), [entry(n) for n in range(3)]
    made = holdings(high, *bulk)
    assert made.take_back(2) == [bulk[2], bulk[1]]
    assert made.queued == 2
    assert len(made) == 4
    assert made.unfinished == [high, bulk[0]]
    assert made.take_back(5) == [bulk[0], high]
    for each in (high, *bulk):
        made.let_go(each)
    assert not len(made)


def test_an_entry_in_hand_is_not_taken_twice() -> None:
    """G6: taken over from ourselves, it would be priced twice."""
    made = holdings(entry(1), entry(1))
    assert made.queued == len(made) == 1
    made.finish(entry(1))
    made.add(held(entry(1)))
    assert entry(1) in made
    assert not made.unfinished


async def test_a_lost_entry_is_not_priced_but_one_being_settled_is_not_lost() -> None:
    """G6."""
    lost, in_slot, settling = entry(1), entry(2), entry(3)
    made = holdings(in_slot, settling, lost)
    assert (await next_of(made)).entry == in_slot
    assert (await next_of(made)).entry == settling
    made.finish(settling)
    assert made.lose([lost, in_slot, settling, entry(4)]) == 2
    assert made.queued == 0
    assert made.entries == [settling]


def test_lanes_are_counted() -> None:
    made = holdings(entry(1), entry(2, Lane.HIGH))
    made.finish(entry(3, Lane.HIGH))
    assert [made.of([Lane.HIGH]), made.of([Lane.HIGH, Lane.BULK]), made.of([])] == [2, 3, 0]


async def test_each_entry_wakes_a_slot_and_the_end_wakes_all() -> None:
    """No wake-up is lost, whoever waits when an entry comes."""
    made = Holdings()
    seen: list[Entry] = []

    async def slot() -> None:
        while found := await made.next(one):
            seen.extend(held.entry for held in found)
            await checkpoint()

    entries = [entry(n) for n in range(50)]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as slots:
            for _ in range(4):
                slots.start_soon(slot)
            for number, each in enumerate(entries):
                if number % 3:
                    await checkpoint()
                made.add(held(each))
            while made.queued:
                await checkpoint()
            made.close()
    assert seen == entries


async def test_a_slot_that_is_cancelled_takes_no_entry_with_it() -> None:
    """G7: one that comes in the moment in which a waiting slot is cancelled can be given back."""
    made = Holdings()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as slots:
            slots.start_soon(made.next, one)
            await checkpoint()
            made.add(held(entry(1)))
            slots.cancel_scope.cancel()
    assert made.unfinished == [entry(1)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "finish", "let_go", "lose", "take_back"]),
            st.integers(0, 5),
            st.sampled_from([Lane.HIGH, Lane.BULK]),
        )
    )
)
def test_nothing_leaks(steps: list[tuple[str, int, Lane]]) -> None:
    """G8: whatever happens in whatever order, what has gone is gone."""
    made = Holdings()
    for step, number, lane in steps:
        each = entry(number, lane)
        match step:
            case "add":
                made.add(held(each))
            case "finish":
                # As a slot does it: with an entry that is no longer in the queue.
                made.take_back(made.queued)
                made.finish(each)
            case "let_go":
                made.take_back(made.queued)
                made.let_go(each)
            case "lose":
                made.lose([each])
            case _:
                made.take_back(number)
        assert made.queued <= len(made.unfinished) <= len(made)
        assert len(made) == len(made.entries) == len(set(made.entries))
    made.close()
    for each in made.entries:
        made.let_go(each)
    assert not len(made)
    assert not made.queued
