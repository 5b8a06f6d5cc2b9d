"""When requests are planned to be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.schedule import constant


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
