"""Recording, merging and percentiles."""

import math

import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it ships none
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


@FEW
@given(st.lists(st.floats(0, 5000), min_size=1, max_size=1500))
def test_recording_many_is_recording_each(times: list[float]) -> None:
    """What is counted all at once lies where the library itself would have put it."""
    latency, own = Latency(), HdrHistogram(1, 3_600_000_000, 3)
    for seconds in times:
        latency.record(seconds)
        own.record_value(round(min(max(seconds * 1e6, 1), 3_600_000_000)))
    assert len(latency) == own.get_total_count()
    read = HdrHistogram.decode(latency.encode())
    for percent in (1, 50, 90, 99, 100):
        assert read.get_value_at_percentile(percent) == own.get_value_at_percentile(percent)
    found = latency.times()
    assert found.max == pytest.approx(own.get_max_value() / 1e6)
    assert found.mean == pytest.approx(own.get_mean_value() / 1e6)
