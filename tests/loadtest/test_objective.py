"""Objectives: read, or refused with the way out; judged."""

import pytest

from engine.errors import UsageError
from loadtest.objective import MEASURES, Objective, measured
from loadtest.record import Bulk, Realtime, Times

REALTIME = Realtime(
    planned=1000,
    sent=990,
    late=20,
    dropped=10,
    priced=980,
    errors={"TimedOut": 7, "Busy": 3},
    rate=98.0,
    latency=Times(count=990, p99=0.02, max=0.5),
    return_=Times(count=980, p50=0.001),
)
BULK = Bulk(
    submitted=10, priced=5, rejected=2, dead=1, expired=0, cancelled=2, seconds=2.0, rate=2.5
)


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("realtime.p99 < 21ms", 0.02, True),
        ("realtime.p99 < 20 ms", 0.02, False),
        ("realtime.p99<=20000us", 0.02, True),
        ("realtime.max < 0.01min", 0.5, True),
        ("realtime.return.p50 = 1ms", 0.001, True),
        ("realtime.errors = 0", 10.0, False),
        ("realtime.errors <= 1%", 0.01, True),
        ("late < 1%", 0.02, False),
        ("late < 100", 20.0, True),
        ("dropped == 10", 10.0, True),
        ("realtime.rate >= 98/s", 98.0, True),
        ("bulk.rate > 1,000/s", 2.5, False),
        ("bulk.dead < 2", 1.0, True),
        ("lost = 0", 0.0, True),
    ],
)
def test_an_objective_is_read_and_judged(text: str, value: float, met: bool) -> None:
    objective = Objective.parse(text)
    found = measured(objective, REALTIME, BULK, lost=0)
    assert found == pytest.approx(value)
    judged = objective.judge(found)
    assert (judged.met, judged.objective, judged.measured) == (met, text, found)


def test_what_was_not_measured_meets_nothing() -> None:
    for text in ("realtime.p50 > 0s", "realtime.queue.p99 < 1min"):
        objective = Objective.parse(text)
        assert not objective.judge(measured(objective, REALTIME, BULK, 0)).met
    assert measured(Objective.parse("bulk.rate > 1/s"), REALTIME, None, 0) is None
    assert measured(Objective.parse("late < 1%"), None, BULK, 0) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("realtime.p98 < 1ms", "Did you mean realtime.p99?"),
        ("bulk.rte > 1/s", "Did you mean bulk.rate?"),
        ("realtime.p99 < 20", "realtime.p99 is not told in 'plain numbers': must have a time"),
        ("realtime.p99 < 1%", "must have a time with us, ms, s or min"),
        ("lost < 1%", "must have a count"),
        ("bulk.rate > 5", "must have a rate with /s"),
        ("realtime.p99 20ms", "cannot be read: write it as in"),
        ("", "cannot be read"),
        ("lost = 1.2.3", "'1.2.3' is no number"),
    ],
)
def test_what_cannot_be_reached_is_refused_with_the_way_out(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Objective.parse(text)
    assert told in str(caught.value)
    assert repr(text) in str(caught.value)


def test_all_measures_are_measured() -> None:
    for measure, unit in MEASURES.items():
        number = {"s": "1s", "1/s": "1/s", "1": "1"}[unit]
        # None where there were no such calls, but no measure that nobody knows.
        measured(Objective.parse(f"{measure} < {number}"), REALTIME, BULK, 0)
