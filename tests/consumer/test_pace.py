"""How much work to hold (G8): bounds and directions, for any measurements."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.pace import MOST_TAKEN, MOST_TRADES, QUICK, Pace

seconds = st.floats(0, 1e6)
slots = st.integers(1, 64)
held = st.integers(0, 5000)


def pace(slots: int, *measured: float, prefetch: float = 2.0) -> Pace:
    made = Pace(slots, prefetch)
    for value in measured:
        made.measured(value, 100, "night")
    return made


@given(slots, st.lists(seconds), held)
def test_bounds(slots: int, measured: list[float], held: int) -> None:
    """G8."""
    made = pace(slots, *measured)
    assert slots <= made.target() <= slots + 4 * MOST_TAKEN
    assert 0 <= made.room(held) <= MOST_TAKEN
    assert held + made.room(held) <= max(held, made.target())
    assert made.room(held) <= made.reserve(held) <= MOST_TAKEN
    beyond = max(slots, made.target() // 2)
    assert held + made.reserve(held) <= max(held, made.target() + beyond)
    assert 0 <= made.surplus(held) <= held
    assert 1 <= made.at_once(held, "night") <= max(1, held)


@given(slots, seconds, seconds, held, held)
def test_slower_work_and_fuller_hands_take_no_more(
    slots: int, one: float, other: float, few: int, many: int
) -> None:
    """G8."""
    quick, slow = pace(slots, min(one, other)), pace(slots, max(one, other))
    few, many = sorted((few, many))
    assert slow.target() <= quick.target()
    assert slow.surplus(many) >= quick.surplus(many)
    assert quick.room(many) <= quick.room(few)
    assert quick.reserve(many) <= quick.reserve(few)
    assert quick.surplus(many) >= quick.surplus(few)


@given(slots, st.lists(seconds, min_size=1))
def test_the_average_lies_among_what_was_measured(slots: int, measured: list[float]) -> None:
    average = pace(slots, *measured).seconds_per_entry
    assert average is not None
    slack = 1e-9 * max(measured)
    assert min(measured) - slack <= average <= max(measured) + slack


@given(slots, st.lists(seconds), st.integers(0, 10_000))
def test_an_idle_slot_always_finds_room(slots: int, measured: list[float], missing: int) -> None:
    """G4: whatever was measured, a consumer that holds less than an entry a slot takes more."""
    made = pace(slots, *measured)
    idle = max(0, made.target() - 1 - made.target() // 4 - missing)
    assert made.room(idle)
    assert made.room(0)
    assert made.reserve(made.target())


def test_large_entries_are_few() -> None:
    """G8: memory, where chunks are large."""
    made = Pace(2, 2.0)
    made.measured(0.001, 10_000, "night")
    assert made.target() == 2 + MOST_TRADES // 10_000


def test_quick_entries_are_shared_out_among_the_slots() -> None:
    """G9: a slot is at most some milliseconds away from a higher lane."""
    made = pace(2, 0.001)
    assert made.at_once(100, "night") == int(QUICK / 0.001)
    assert made.at_once(4, "night") == 2
    assert made.at_once(4, "day") == 1
    assert pace(2, 1.0).at_once(100, "night") == 1


def test_slow_entries_are_not_held_in_advance() -> None:
    """G8: what was taken at the pace of fast entries is given back when they turn out slow."""
    made = pace(2, *[0.001] * 10)
    assert made.room(0) == MOST_TAKEN
    assert made.target() == 2 + 4 * MOST_TAKEN
    for _ in range(20):
        made.measured(10.0, 100, "night")
    assert made.target() == 2
    assert made.surplus(300) > 290
