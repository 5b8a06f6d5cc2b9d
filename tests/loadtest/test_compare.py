"""Comparing load tests: what is told to have changed, and what is chance."""

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.compare import Change, Comparison, Row, compare
from loadtest.compare_measures import MEASURES, PERCENTILES
from loadtest.record import Capacity, Record, Try
from tests.loadtest.records import sample

FEW = settings(max_examples=15)
"""Each makes records anew."""

TOLERANCE = 0.05


@cache
def made(seed: int, slower: float = 1.0) -> Record:
    return sample(seed=seed, seconds=60.0, slower=slower, faults=())


def row(found: Comparison, measure: str) -> Row:
    [the_one] = [each for each in found.rows if each.measure == measure]
    return the_one


def with_errors(record: Record, many: int) -> Record:
    assert record.realtime is not None
    share = many / record.realtime.planned
    rates = [rate * share if rate is not None else None for rate in record.series.planned_rate]
    return replace(
        record,
        realtime=replace(record.realtime, errors={"TimedOut": many}),
        series=replace(record.series, error_rate=rates),
    )


@FEW
@given(seed=st.integers(0, 1000))
def test_nothing_has_changed_from_a_test_to_itself(seed: int) -> None:
    record = made(seed)
    found = compare([record], [record], 0.0)
    assert found.rows
    assert not found.regressed
    assert {each.became for each in found.rows} == {Change.NOISE}
    assert {each.change for each in found.rows} == {0.0}


@FEW
@given(seeds=st.tuples(st.integers(0, 1000), st.integers(1001, 2000)))
def test_chance_alone_is_no_change(seeds: tuple[int, int]) -> None:
    found = compare([made(seeds[0])], [made(seeds[1])], TOLERANCE)
    assert {each.became for each in found.rows} <= {Change.NOISE, Change.TOLERATED}


@FEW
@given(seed=st.integers(0, 1000), slower=st.floats(1.2, 3.0))
def test_a_slower_grid_is_told(seed: int, slower: float) -> None:
    found = compare([made(seed)], [sample(seed + 1, 60.0, slower, faults=())], TOLERANCE)
    median = row(found, "realtime.p50")
    assert found.regressed
    assert median.became is Change.WORSE
    # The bounds hold what was done to it.
    assert median.bounds is not None
    assert median.bounds[0] < slower - 1 < median.bounds[1]


@FEW
@given(seeds=st.tuples(st.integers(0, 1000), st.integers(1001, 2000)), slower=st.floats(0.5, 2.0))
def test_the_other_way_round_it_is_the_opposite(seeds: tuple[int, int], slower: float) -> None:
    a, b = made(seeds[0]), sample(seeds[1], 60.0, slower, faults=())
    there, back = compare([a], [b], TOLERANCE), compare([b], [a], TOLERANCE)
    opposite = {Change.BETTER: Change.WORSE, Change.WORSE: Change.BETTER}
    for x, y in zip(there.rows, back.rows, strict=True):
        assert x.change == pytest.approx(-y.change, abs=1e-12)
        assert (x.a, x.b) == (y.b, y.a)
        assert x.noise == pytest.approx(y.noise)
        assert opposite.get(x.became, x.became) == y.became


def test_a_change_that_is_tolerated_is_no_regression() -> None:
    a, b = made(1), made(2, 1.2)
    assert row(compare([a], [b], 0.5), "realtime.p50").became is Change.TOLERATED
    assert row(compare([a], [b], 0.05), "realtime.p50").became is Change.WORSE


def test_a_rate_that_falls_is_worse_and_one_that_rises_is_better() -> None:
    a = made(1)
    assert a.bulk is not None
    assert a.bulk.rate is not None
    half = replace(
        a,
        bulk=replace(a.bulk, rate=a.bulk.rate / 2),
        series=replace(a.series, bulk_rate=[r and r / 2 for r in a.series.bulk_rate]),
    )
    assert row(compare([a], [half], TOLERANCE), "bulk.rate").became is Change.WORSE
    assert row(compare([half], [a], TOLERANCE), "bulk.rate").became is Change.BETTER


def test_a_rate_that_has_come_to_nothing_is_worse() -> None:
    a = made(1)
    assert a.bulk is not None
    none = replace(
        a,
        bulk=replace(a.bulk, rate=0.0, priced=0),
        series=replace(a.series, bulk_rate=[0.0] * len(a.series.t)),
    )
    found = compare([a], [none], TOLERANCE)
    assert row(found, "bulk.rate").became is Change.WORSE
    assert row(compare([none], [a], TOLERANCE), "bulk.rate").became is Change.BETTER
    assert row(compare([none], [none], TOLERANCE), "bulk.rate").became is Change.NOISE


def test_one_trade_that_is_lost_is_one_too_many() -> None:
    a = made(1)
    found = compare([a], [replace(a, lost=1)], 0.5)
    assert row(found, "lost").became is Change.WORSE
    assert found.regressed


def test_a_few_errors_may_be_chance_and_many_are_not() -> None:
    a = with_errors(made(1), 0)
    few, many = (compare([a], [with_errors(made(1), n)], TOLERANCE) for n in (1, 100))
    assert row(few, "realtime.errors").became is Change.NOISE
    assert row(many, "realtime.errors").became is Change.WORSE


def test_what_the_search_cannot_tell_apart_has_not_changed() -> None:
    def found(rate: float, missed: float) -> Record:
        tries = [
            Try(rate=rate, met=True, p99=0.01, limited_by=""),
            Try(rate=missed, met=False, p99=0.1, limited_by="slots"),
        ]
        return replace(
            made(1),
            capacity=Capacity(rate=rate, unit="trades/s", limited_by="slots", why="", tries=tries),
        )

    a = found(800, 900)
    assert row(compare([a], [found(750, 850)], 0.0), "capacity").became is Change.NOISE
    assert row(compare([a], [found(400, 450)], 0.0), "capacity").became is Change.WORSE


def test_a_ramp_that_both_have_is_no_noise() -> None:
    a, b = made(1), made(2)
    alike = row(compare([a], [b], TOLERANCE), "redis.memory")
    other = replace(b, scenario={**b.scenario, "seed": 8})
    apart = row(compare([a], [other], TOLERANCE), "redis.memory")
    assert alike.noise is not None
    assert apart.noise is not None
    assert alike.noise < apart.noise / 10


def test_repeats_that_differ_widen_the_bounds() -> None:
    once = row(compare([made(1)], [made(2, 1.3)], TOLERANCE), "realtime.p50")
    uneven = [made(3, factor) for factor in (0.8, 1.0, 1.3)]
    often = row(compare(uneven, [made(2, 1.3)], TOLERANCE), "realtime.p50")
    assert once.became is Change.WORSE
    assert often.became is Change.NOISE


def test_even_repeats_tell_a_change() -> None:
    found = compare([made(n) for n in (1, 2, 3)], [made(n, 1.3) for n in (4, 5, 6)], TOLERANCE)
    assert row(found, "realtime.p50").became is Change.WORSE
    assert not any("one run a side" in warning for warning in found.warnings)


def test_of_a_short_test_nothing_is_told() -> None:
    short = [sample(seed, 4.0, faults=()) for seed in (1, 2)]
    found = compare(short[:1], short[1:], TOLERANCE)
    assert row(found, "realtime.p50").became is Change.UNKNOWN
    assert sum("too short" in each for each in found.warnings) == 1
    assert not found.regressed


def test_a_percentile_needs_calls_above_it() -> None:
    assert "realtime.p999" not in [each.measure for each in compare([made(1)], [made(2)], 0).rows]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scenario": {**made(1).scenario, "seed": 8}}, "scenario of B differs: seed is 8, not 7"),
        ({"machine": {**made(1).machine, "cores": 8}}, "machine of B differs: cores is 8, not 4"),
        ({"realtime": None}, "realtime.p50 is not in all of them"),
        (
            {"verdict": replace(made(1).verdict, ended_early="the server died")},
            "B was not run to its end: the server died",
        ),
        ({"started": "2026-11-23T16:44:10+00:00"}, "one run a side"),
        ({}, "A and B hold the same record"),
        ({}, "B: the generator had no core"),
    ],
)
def test_what_is_not_alike_is_told(changed: dict[str, Any], told: str) -> None:
    found = compare([made(1)], [replace(made(1), **changed)], TOLERANCE)
    assert any(told in warning for warning in found.warnings), found.warnings


def test_a_new_version_of_ours_is_what_one_compares() -> None:
    newer = replace(made(1), azfinsim="9.9.9", scenario={**made(1).scenario, "name": "again"})
    warnings = compare([made(1)], [newer], TOLERANCE).warnings
    assert not any("differs:" in warning for warning in warnings)


def test_the_document_has_every_figure() -> None:
    document = (Path(__file__).parents[2] / "docs/loadtest-report.md").read_text("utf-8")
    for measure in (*PERCENTILES, *MEASURES):
        assert re.search(rf"`(\w+\.)*{measure.name.split('.')[-1]}`", document), measure.name
    for became in Change:
        assert f"**{became}**" in document


def run(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The records of two tests, and of one that was slower."""
    folder = tmp_path_factory.mktemp("records")
    paths = []
    for number, record in enumerate((made(1), made(2), made(3, 1.5))):
        paths.append(folder / f"{number}.json")
        paths[-1].write_bytes(record.to_json())
    return paths


def test_the_exit_code_tells_of_a_regression(files: list[Path]) -> None:
    same, slower = run("compare", *files[:2]), run("compare", files[0], files[2])
    assert (same.returncode, slower.returncode) == (0, 1)
    assert "worse" in slower.stdout
    assert "worse" not in same.stdout
    assert run("compare", files[0], files[2], "--tolerance", "200%").returncode == 0


def test_programs_get_one_object(files: list[Path]) -> None:
    done = run("compare", files[0], files[2], "--a", files[1], "--json")
    told = orjson.loads(done.stdout)
    assert done.returncode == told["regressed"]
    assert told["tolerance"] == TOLERANCE
    by_name = {each["measure"]: each for each in told["changes"]}
    low, high = by_name["realtime.p50"]["bounds"]
    assert low < by_name["realtime.p50"]["change"] < high
    assert "warning:" in done.stderr


def test_the_page_is_made_again(files: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "again.html"
    done = run("report", files[0], "--out", page)
    assert done.returncode == 0, done.stderr
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_what_cannot_be_read_is_told(files: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    told = orjson.loads(files[0].read_bytes())
    told["series"]["p50"].pop()
    bad.write_bytes(orjson.dumps(told))
    for options, message in (
        (("compare", files[0], tmp_path / "none.json"), "No such file"),
        (("compare", files[0], bad), "series.p50 has"),
        (("report", bad), "series.p50 has"),
        (("compare", *files[:2], "--tolerance", "5"), "must be a percentage"),
    ):
        done = run(*options)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_column_that_an_older_version_did_not_write_is_not_known(
    files: list[Path], tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    told = orjson.loads(files[0].read_bytes())
    del told["series"]["redis_cpu"]
    old.write_bytes(orjson.dumps(told))
    assert run("report", old).returncode == 0
    done = run("compare", old, files[1])
    assert done.returncode == 0
    assert "redis.cpu_a_trade is not in all of them" in done.stderr
