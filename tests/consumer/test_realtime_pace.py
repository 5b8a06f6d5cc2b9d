"""How many realtime calls to hold and to price together: bounds and directions (G8)."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.realtime.pace import MOST_HELD, MOST_KINDS, MOST_TOGETHER, QUICK, RESERVE, Pace

KIND = ("pvonly", b"{}")
seconds = st.floats(0, 1e6)
slots = st.integers(1, 64)
held = st.integers(0, 5000)
waiting = st.integers(1, 5000)


def pace(slots: int, *measured: float) -> Pace:
    made = Pace(slots)
    for value in measured:
        made.measured(KIND, value, value, 1)
    return made


@given(slots, st.lists(seconds), held, waiting)
def test_bounds(slots: int, measured: list[float], held: int, waiting: int) -> None:
    """G8."""
    made = pace(slots, *measured)
    assert 0 <= made.room(held) <= slots + MOST_HELD
    assert held + made.room(held) <= max(held, slots + MOST_HELD)
    assert made.room(held) <= made.reserve(held)
    assert held + made.reserve(held) <= max(held, slots + MOST_HELD, slots + RESERVE)
    assert 1 <= made.together(KIND, waiting) <= min(waiting, MOST_TOGETHER)


@given(slots, seconds)
def test_an_idle_slot_always_finds_room(slots: int, measured: float) -> None:
    """G4."""
    assert pace(slots).room(slots - 1) >= 1
    assert pace(slots, measured).room(slots - 1) >= 1


def test_slow_calls_go_alone_and_quick_ones_together() -> None:
    assert pace(2, 0.004).together(KIND, 100) == 1
    assert pace(2, QUICK / 8).together(KIND, 100) in (7, 8)
    assert pace(2, QUICK / 8).together(KIND, 6) == 3, "its fair share"
    assert pace(2, 1e-6).together(("other", b"{}"), 100) == 1, "of a kind that nobody has measured"
    made = Pace(2)
    made.measured(KIND, 1e-6, 0.004, 1)
    assert made.together(KIND, 1000) == MOST_TOGETHER, "what a slot takes besides does not count"


def test_what_was_slow_once_is_soon_forgotten() -> None:
    """The first call of an algorithm waits for its code to be loaded."""
    made = pace(2, 3.0, *[0.001] * 10)
    assert made.seconds_per_call is not None
    assert made.seconds_per_call < 0.002


def test_only_so_many_kinds_are_remembered() -> None:
    """G10: clients may think of as many as they like."""
    made = Pace(1)
    for number in range(2 * MOST_KINDS):
        made.measured(("pvonly", b"%d" % number), 0.001, 0.001, 1)
    assert len(made.seconds) == MOST_KINDS
    assert ("pvonly", b"%d" % (2 * MOST_KINDS - 1)) in made.seconds
