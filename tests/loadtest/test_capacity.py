"""The search for the highest rate, and what is taken to have limited it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.capacity import CONFIRMED, LOWEST, MOST_TRIES, PRECISION, Evidence, Search, limit_of


def search(first: float, met: "list[bool] | None", bears: float) -> tuple[Search, list[float]]:
    """Search to the end where all rates up to ``bears`` are met; ``met`` are lies told first."""
    searching, tried = Search(first), list[float]()
    while (rate := searching.next_rate()) is not None:
        lie = met.pop(0) if met else None
        searching.tell(rate, met=rate <= bears if lie is None else lie)
        tried.append(rate)
        assert len(tried) <= MOST_TRIES
    return searching, tried


@given(first=st.floats(1, 10_000), bears=st.floats(1, 100_000))
def test_what_is_found_is_the_most_that_is_borne_to_the_precision(
    first: float, bears: float
) -> None:
    searching, tried = search(first, None, bears)
    assert searching.found is not None
    assert searching.found <= bears <= searching.found * (1 + PRECISION) * (1 + 1e-9)
    assert tried.count(searching.found) == CONFIRMED


@given(first=st.floats(1, 1000), bears=st.floats(1, 10_000), lies=st.lists(st.booleans()))
def test_chance_ends_no_search_and_finds_no_rate_that_was_met_but_once(
    first: float, bears: float, lies: list[bool]
) -> None:
    searching, tried = search(first, list(lies), bears)
    if searching.found is not None:
        assert tried.count(searching.found) >= CONFIRMED


@given(first=st.floats(1, 1000))
def test_where_no_rate_is_met_none_is_found(first: float) -> None:
    searching, tried = search(first, None, 0.0)
    assert searching.found is None
    assert min(tried) >= LOWEST


def test_a_rate_that_was_met_by_luck_is_not_found() -> None:
    # 200 was met once, and then not: what is found lies below.
    searching, _ = search(100, [True, True, False], 150)
    assert searching.found is not None
    assert searching.found <= 150


def test_a_rate_that_was_missed_by_chance_is_found_all_the_same() -> None:
    # Each rate is held up the first time that it is tried, and 140 is borne.
    searching, seen = Search(100), set[float]()
    while (rate := searching.next_rate()) is not None:
        held_up = rate not in seen and rate > 120
        searching.tell(rate, met=rate <= 140 and not held_up)
        seen.add(rate)
    assert searching.found is not None
    assert searching.found <= 140 <= searching.found * (1 + PRECISION) * (1 + 1e-9)


def test_no_rate_above_the_highest_is_tried() -> None:
    searching = Search(400, highest=1000)
    while (rate := searching.next_rate()) is not None:
        assert rate <= 1000
        searching.tell(rate, met=True)
    assert searching.found == 1000


IDLE = Evidence(late=0.0, generator_cpu=0.1, slots_busy=0.2, redis_cpu=0.1, consumer_cpu=0.2)


@pytest.mark.parametrize(
    ("seen", "limit"),
    [
        (IDLE, "nothing"),
        (replace(IDLE, slots_busy=0.97), "slots"),
        (replace(IDLE, redis_cpu=0.95), "redis"),
        (replace(IDLE, consumer_cpu=0.99), "consumers"),
        (replace(IDLE, generator_cpu=0.99), "generator"),
        (replace(IDLE, late=0.5), "generator"),
        # Where no process gets the core that it wants, none of them can be blamed.
        (replace(IDLE, late=0.5, slots_busy=0.97, waited=0.4), "machine"),
        (replace(IDLE, waited=0.05), "nothing"),
        # Who sends late cannot say what else was used up.
        (replace(IDLE, late=0.5, slots_busy=0.97), "generator"),
        # Slots that price leave their consumer's core no time either.
        (replace(IDLE, slots_busy=0.97, consumer_cpu=1.0), "slots"),
        (replace(IDLE, slots_busy=None, redis_cpu=None, consumer_cpu=None), "nothing"),
    ],
)
def test_what_was_used_up_is_named(seen: Evidence, limit: str) -> None:
    named, why = limit_of(seen)
    assert named == limit
    assert why
