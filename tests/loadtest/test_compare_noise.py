"""What chance does to the figures of a load test."""

import math
import random

import pytest

from loadtest.compare_noise import BATCHES, batch_error, pooled_error, share_above, student


@pytest.mark.parametrize(
    ("confidence", "freedom", "t"),
    [
        # Abramowitz and Stegun, table 26.10.
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 3, 3.182),
        (0.99, 4, 4.604),
        (0.99, 5, 4.032),
        (0.998, 10, 4.144),
        (0.95, 19, 2.093),
        (0.95, 120, 1.980),
    ],
)
def test_student_is_as_in_the_tables(confidence: float, freedom: int, t: float) -> None:
    assert student(confidence, freedom) == pytest.approx(t, abs=6e-4)


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_bounds_hold_the_truth_as_often_as_they_say(memory: float) -> None:
    # What an interval has of the one before it makes the mean err by more than it seems.
    draw, held = random.Random(1), 0
    tests = 400
    for _ in range(tests):
        value, values = 0.0, []
        for _ in range(400):
            value = memory * value + draw.gauss(0, 1)
            values.append(value)
        found = batch_error(values)
        assert found is not None
        error, freedom = found
        assert freedom == BATCHES - 1
        held += abs(sum(values) / len(values)) < student(0.95, freedom) * error
    # By chance alone, 0.95 * 400 +- 2 * sqrt(400 * 0.95 * 0.05); batches that hang together a
    # little take some off.
    assert 0.92 <= held / tests <= 0.98


def test_of_too_few_intervals_nothing_is_said() -> None:
    assert batch_error([1.0, 2.0] * 4) is None
    assert batch_error([1.0, 2.0] * 5) is not None


def test_repeats_tell_how_runs_differ() -> None:
    found = pooled_error([1.0, 3.0], [10.0, 12.0])
    assert found is not None
    error, freedom = found
    assert freedom == 2
    # Both variances are 2, and so is that of the means' difference.
    assert error == pytest.approx(math.sqrt(2))
    assert pooled_error([1.0], [10.0]) is None
    # One side that was repeated tells for both.
    assert pooled_error([1.0, 3.0], [10.0]) is not None


def test_the_share_above_a_time_goes_through_what_is_known() -> None:
    known = (0.01, 0.03, 0.1)
    assert share_above(0.01, *known) == pytest.approx(0.5)
    assert share_above(0.0299999, *known) == pytest.approx(0.01, rel=1e-3)
    assert share_above(0.2, *known) == 0
    times = [0.0001 * 1.1**n for n in range(80)]
    shares = [share_above(time, *known) for time in times]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    # An interval in which all calls took as long.
    assert [share_above(x, 0.01, 0.01, 0.01) for x in (0.005, 0.01, 0.02)] == [0.5, 0.5, 0.5]
