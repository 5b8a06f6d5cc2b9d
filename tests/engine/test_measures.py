"""What a process measures of itself."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import telemetry
from engine.measures import FIGURES, MOST, Count, Labels, Level, Times, Window


def looked(measure: Count | Level) -> dict[Labels, float]:
    return {labels: value for value, labels in measure.look()}


def figures(times: Times) -> dict[str, dict[Labels, float]]:
    """One look at all figures, as an exporter takes it."""
    return {name: {labels: v for v, labels in times.look(name)} for name in FIGURES}


def test_nothing_is_kept_while_nobody_is_to_look() -> None:
    count, level, times = Count("c", "", ""), Level("l", "", ""), Times("t", "", "")
    count.add(1)
    level.set(1.0)
    level.change(1.0)
    times.note(1.0)
    assert not looked(count)
    assert not looked(level)
    assert not times.windows


def test_counts_add_up_by_their_labels() -> None:
    count = Count("c", "", "", ("lane",), on=True)
    count.add(2, "bulk")
    count.add(3, "high")
    count.add(4, "bulk")
    assert looked(count) == {("bulk",): 6, ("high",): 3}
    assert looked(count) == {("bulk",): 6, ("high",): 3}


def test_levels_are_told_while_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("engine.measures.time.monotonic", lambda: now)
    level = Level("l", "", "", ("lane",), on=True)
    level.set(7, "bulk", seconds=10)
    level.change(1, "high")
    level.change(1, "high")
    level.change(-1, "high")
    assert looked(level) == {("bulk",): 7, ("high",): 1}
    now = 110.0
    assert looked(level) == {("high",): 1}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=500))
def test_percentiles_are_those_of_all_values(values: list[float]) -> None:
    times = Times("t", "s", "", on=True)
    for value in values:
        times.note(value)
    found = figures(times)
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
        assert found[name] == {(): pytest.approx(np.percentile(values, percent))}


def test_each_look_is_at_what_came_since_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("engine.measures.time.monotonic", lambda: now)
    times = Times("t", "s", "", ("lane",), on=True)
    times.note(1.0, "bulk")
    assert figures(times)["max"] == {("bulk",): 1.0}
    # Another exporter, at the same moment.
    assert figures(times)["p50"] == {("bulk",): 1.0}
    now = 160.0
    times.note(2.0, "bulk")
    times.note(3.0, "high")
    found = figures(times)
    assert all(set(labels) == {("bulk",), ("high",)} for labels in found.values())
    assert found["max"] == {("bulk",): 2.0, ("high",): 3.0}
    now = 220.0
    assert not any(figures(times).values())


@given(st.integers(0, 6 * MOST))
def test_a_window_is_bounded_and_thinned_out_evenly(count: int) -> None:
    window = Window()
    for value in range(count):
        window.add(value)
    assert len(window.values) < MOST
    assert window.largest == (count - 1 if count else -math.inf)
    if count >= MOST:
        assert len(window.values) >= MOST // 4
        steps = np.diff(window.values)
        assert steps.min() == steps.max()
        assert abs(np.percentile(window.values, 99) / count - 0.99) < 0.002
    else:
        assert window.values == list(range(count))


def test_the_documentation_has_all_of_them() -> None:
    kinds = {"count": telemetry.COUNTS, "times": telemetry.TIMES, "level": telemetry.LEVELS}
    expected = {
        (f"`{m.name}`", kind, m.unit.strip("{}"), ", ".join(m.labels), m.what)
        for kind, measures_ in kinds.items()
        for m in measures_
    }
    page = Path(__file__).parents[2] / "docs" / "telemetry.md"
    lines = page.read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {tuple(row) for row in rows if row[0].startswith("`azfinsim.")} >= expected
    assert len([row for row in rows if len(row) == 5 and row[0] != "name"]) - 1 == len(expected)
