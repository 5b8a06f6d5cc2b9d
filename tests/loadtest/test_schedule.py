"""When requests are planned to be sent."""

import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.schedule import Segment, arrivals, constant, rate_at


@given(rate=st.floats(0.1, 5000), seconds=st.floats(0.01, 2))
def test_a_constant_rate_has_as_many_requests_as_it_says_evenly_spaced(
    rate: float, seconds: float
) -> None:
    planned = list(constant(rate, seconds))
    assert len(planned) == pytest.approx(rate * seconds, abs=0.51)
    assert planned == pytest.approx([number / rate for number in range(len(planned))])
    assert all(0 <= moment < seconds + 1 / rate for moment in planned)


def test_a_long_test_does_not_drift() -> None:
    *_, last = constant(300, 3600)
    assert last == pytest.approx(3600 - 1 / 300, abs=1e-9)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_no_rate_and_no_time_are_refused_at_once(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        constant(rate, seconds)


segments = st.lists(
    st.builds(Segment, st.floats(0.1, 5), st.floats(0, 200), st.floats(0.1, 200)),
    min_size=1,
    max_size=4,
)


@given(segments)
def test_a_rate_that_changes_has_as_many_requests_as_its_curve_has_area(
    whole: list[Segment],
) -> None:
    planned = list(arrivals(whole))
    area = sum((each.first + each.last) / 2 * each.seconds for each in whole)
    assert len(planned) == pytest.approx(area, abs=1.01)
    assert all(one <= other for one, other in pairwise(planned))
    assert all(0 <= moment <= sum(each.seconds for each in whole) for moment in planned)


def test_a_ramp_sends_a_quarter_in_its_first_half() -> None:
    planned = list(arrivals([Segment(10, 0, 100)]))
    assert len(planned) == 500
    assert sum(moment < 5 for moment in planned) == pytest.approx(125, abs=1)


@given(rate=st.floats(1, 1000), seconds=st.floats(0.1, 3))
def test_a_segment_of_one_rate_is_the_constant_schedule(rate: float, seconds: float) -> None:
    found = list(arrivals([Segment(seconds, rate, rate)]))
    wanted = list(constant(rate, seconds))
    assert abs(len(found) - len(wanted)) <= 1
    assert found == pytest.approx([number / rate for number in range(len(found))], abs=1e-9)


def test_requests_by_chance_have_the_mean_rate_and_the_spread_of_chance() -> None:
    """Counts of a Poisson process have their mean for variance; evenly spaced they have none."""
    planned = list(arrivals([Segment(400, 50, 50)], seed=1))
    counts = [0] * 400
    for moment in planned:
        counts[int(moment)] += 1
    assert statistics.mean(counts) == pytest.approx(50, rel=0.03)
    assert statistics.variance(counts) == pytest.approx(50, rel=0.25)
    assert planned == list(arrivals([Segment(400, 50, 50)], seed=1))
    assert planned != list(arrivals([Segment(400, 50, 50)], seed=2))


def test_the_rate_at_a_moment_is_that_of_its_segment() -> None:
    whole = [Segment(10, 0, 100), Segment(5, 20, 20)]
    assert [rate_at(whole, moment) for moment in (0, 5, 12, 15, -1)] == [0, 50, 20, 0, 0]
