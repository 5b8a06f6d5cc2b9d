"""Recording, merging and percentiles."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.latency import Latency

PERCENTS = (1, 50, 99, 100)

FEW = settings(max_examples=20)
"""Each percentile is looked for in tens of thousands of buckets, in Python."""

times = st.lists(st.floats(1e-6, 3600), min_size=1, max_size=200)


def recorded(seconds: list[float]) -> Latency:
    latency = Latency()
    for each in seconds:
        latency.record(each)
    return latency


@FEW
@given(seconds=times)
def test_percentiles_are_right_to_three_digits(seconds: list[float]) -> None:
    latency = recorded(seconds)
    ranked = sorted(seconds)
    for percent in PERCENTS:
        # The nearest rank.
        exact = ranked[max(1, math.floor(len(ranked) * percent / 100 + 0.5)) - 1]
        assert latency.percentile(percent) == pytest.approx(exact, rel=1e-3, abs=1e-6)


@FEW
@given(parts=st.lists(times, min_size=1, max_size=5))
def test_several_clients_together_are_as_if_one_had_recorded_all(parts: list[list[float]]) -> None:
    # As they come from other processes.
    merged = Latency.merged(Latency.decode(recorded(part).encode()) for part in parts)
    whole = recorded([each for part in parts for each in part])
    assert len(merged) == len(whole)
    for percent in PERCENTS:
        assert merged.percentile(percent) == whole.percentile(percent)


def test_merging_leaves_the_parts_as_they_are() -> None:
    parts = [recorded([0.001]), recorded([0.002])]
    assert len(Latency.merged(parts)) == 2
    assert [len(part) for part in parts] == [1, 1]


@pytest.mark.parametrize(
    ("seconds", "kept"), [(0, 1e-6), (-0.5, 1e-6), (4000, 3600), (math.inf, 3600)]
)
def test_what_is_out_of_range_counts_as_its_end(seconds: float, kept: float) -> None:
    latency = recorded([seconds])
    assert len(latency) == 1
    assert latency.percentile(50) == pytest.approx(kept, rel=1e-3)


def test_nothing_has_no_percentiles() -> None:
    with pytest.raises(ValueError, match="nothing was recorded"):
        Latency().percentile(50)


@given(data=st.binary(max_size=100))
def test_strange_bytes_are_no_histogram(data: bytes) -> None:
    with pytest.raises(ValueError, match="no histogram"):
        Latency.decode(data)
