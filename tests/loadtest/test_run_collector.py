"""Putting together what generators tell: curves, totals, and how little an hour leaves behind."""

import os

import psutil
import pytest

from engine.job import Lane
from loadtest.generator.tally import News, Tally
from loadtest.run.collector import WAITED_FOR, Collector
from loadtest.run.gauges import Sample
from loadtest.run.verdict import judge, realtime_of
from tests.loadtest.rounds import scenario

MEGABYTE = 1 << 20


def tally(*latencies: float, sent: int = 0) -> Tally:
    made = Tally(planned=len(latencies), sent=sent or len(latencies))
    for seconds in latencies:
        made.answered(seconds, 0.0, 0.0)
    return made


def collector(*generators: str, seconds: float = 2) -> Collector:
    wanted = scenario(realtime__rate=10, seconds=seconds, interval=0.5, warm_up=1)
    return Collector(wanted, generators)


def test_generators_are_put_together_by_interval() -> None:
    calls = collector("a", "b")
    for number in (-1, 0, 1):
        calls.take(News("a", number, tally(0.001, 0.001), 0.25))
        assert number not in calls.points
        calls.take(News("b", number, tally(0.003), 0.5))
    calls.finish()
    assert sorted(calls.points) == [-1, 0, 1]
    point = calls.points[0]
    assert (point.priced, point.cpu) == (3, 0.75)
    assert point.p50 == pytest.approx(0.001, rel=0.001)
    assert point.p99 == pytest.approx(0.003, rel=0.001)
    # Without the warm-up.
    assert (calls.total.priced, calls.within) == (6, 6)
    series = calls.series()
    assert series.t == [0.0, 0.5, 1.0]
    assert series.answered_rate == [6, 6, 6]
    assert series.planned_rate == [10, 10, 10]
    assert series.bulk_rate == [None] * 3


def test_what_is_told_twice_counts_once() -> None:
    """A server that was restarted had taken it, and could not say so any more."""
    calls = collector("a", seconds=1)
    for number in (0, 0, 1, 0, 1):
        calls.take(News("a", number, tally(0.001), 0.25))
    calls.take(News("a", 1, Tally(), 0.0, ended=True))
    assert (calls.total.priced, calls.ended) == (2, {"a"})


def test_prices_after_the_measurement_count_but_not_in_its_rate() -> None:
    calls = collector("a", seconds=1)
    for number in range(4):
        calls.take(News("a", number, tally(0.1), 0.0))
    calls.take(News("a", 4, Tally(), 0.0, ended=True))
    realtime = realtime_of(calls.total, calls.within, 1.0, 1)
    assert (realtime.priced, realtime.rate) == (4, 2)
    assert calls.ended == {"a"}


def test_who_is_not_of_the_test_is_not_heard() -> None:
    calls = collector("a")
    calls.take(News("stranger", 0, tally(0.1), 0.0))
    assert calls.total.priced == 0


def test_one_that_is_behind_is_waited_for_only_so_long() -> None:
    calls = collector("a", "b")
    for number in range(WAITED_FOR + 3):
        calls.take(News("a", number, tally(0.1), 0.0))
    assert sorted(calls.points) == [0, 1]


def test_gauges_are_columns_beside() -> None:
    calls = collector("a")
    calls.take(News("a", 0, tally(0.1), 0.0))
    calls.gauge(1, Sample({Lane.REALTIME: 4}, 3, 2, 8, redis_cpu=0.5), 100)
    calls.finish()
    series = calls.series()
    assert series.t == [0.5, 1.0]
    assert series.backlog_realtime == [None, 4]
    assert series.redis_cpu == [None, 0.5]
    assert series.consumer_cpu == [None, None]
    assert series.sent_rate == [2, 0]


def test_a_generator_that_could_not_keep_up_is_told() -> None:
    late = tally(*[0.1] * 100)
    late.late, late.dropped = 5, 2
    verdict = judge([], realtime_of(late, 100, 1.0, 1), None, 0)
    assert len(verdict.warnings) == 2
    assert "5 of 100 calls" in verdict.warnings[0]
    assert "2 of 100 calls could not be sent" in verdict.warnings[1]
    assert verdict.met
    assert not judge([], None, None, 0, ended_early="interrupted").met


@pytest.mark.parametrize(
    ("late", "objectives", "busy", "invalid"),
    [
        (5, ["late < 1%"], None, "the generator was late"),
        (5, ["late < 1%", "realtime.p99 < 1ms"], None, "the generator was late"),
        (0, ["realtime.p99 < 1ms"], "busy", "the machine was busy"),
        (0, ["realtime.rate > 1000/s"], "busy", "the machine was busy"),
        (0, ["realtime.p99 < 1ms"], None, None),
        # What is met is met, and no machine excuses what is lost.
        (5, ["realtime.p99 < 1s"], "busy", None),
        (5, ["late < 1%", "lost = 0"], "busy", None),
        (5, ["bulk.rate > 1/s"], "busy", None),
    ],
)
def test_a_machine_that_is_too_small_is_not_the_grid(
    late: int, objectives: list[str], busy: str | None, invalid: str | None
) -> None:
    made = tally(*[0.1] * 100)
    made.late = late
    verdict = judge(objectives, realtime_of(made, 100, 1.0, 1), None, 1, busy=busy)
    assert (verdict.invalid or "").partition(":")[0] == (invalid or "")
    assert not (verdict.met and verdict.invalid)
    early = judge(objectives, realtime_of(made, 100, 1.0, 1), None, 1, (), "interrupted", busy)
    assert early.invalid is None


@pytest.mark.parametrize(
    ("late", "calls", "objectives", "told"),
    [
        (4, 60, [], False),
        (5, 60, [], True),
        (5, 1000, [], False),
        (1, 60, ["late < 1%"], True),
        (5, 60, ["late < 10%"], False),
    ],
)
def test_a_call_that_is_late_by_chance_is_no_generator_that_is(
    late: int, calls: int, objectives: list[str], told: bool
) -> None:
    made = tally(*[0.001] * calls)
    made.late = late
    warnings = judge(objectives, realtime_of(made, calls, 1.0, 1), None, 0).warnings
    assert bool(warnings) == told


def test_an_hour_leaves_a_few_megabytes_behind() -> None:
    process = psutil.Process(os.getpid())

    def hear(calls: Collector, intervals: range) -> None:
        for number in intervals:
            told = News("a", number, tally(*[0.001 * n for n in range(1, 50)]), 0.1)
            calls.take(News.from_json(told.to_json()))
            calls.gauge(number, Sample({}, 0, 1, 1), 0)

    calls = collector("a", seconds=3600)
    hear(calls, range(100))
    before = process.memory_info().rss
    hear(calls, range(100, 600))
    assert process.memory_info().rss - before < 15 * MEGABYTE
