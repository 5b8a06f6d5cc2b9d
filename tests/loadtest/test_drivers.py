"""The same calls and trades for the grid, for whoever echoes, and for a peer."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from engine.call import Reply
from engine.errors import Busy, Dead, NotPriced, Rejected
from loadtest.drivers import CLIENT, DRIVERS, ECHO, GRID, TASKIQ
from loadtest.generator import sender
from loadtest.generator.alarm import Alarm
from loadtest.generator.callers import Callers
from loadtest.generator.calls import Prepared
from loadtest.generator.ledger import Ledger, Made
from loadtest.generator.sender import Course, Sender
from loadtest.generator.tally import Tally, total
from loadtest.record import Record
from loadtest.run.once import measure
from loadtest.run.verdict import judge, realtime_of
from loadtest.scenario import Scenario
from loadtest.scenario_read import load

DEADLINE = 0.4


def scenario(driver: str, **parts: Any) -> Scenario:
    """A second of calls."""
    given = {"driver": driver, "seconds": 1, "warm_up": 0.3, "interval": 0.2, "consumers.start": 1}
    given |= {"realtime.mix": {"european": 1}, "realtime.arrivals": "constant", "objectives": []}
    return load("realtime", [], {**given, **parts})


def check_calls(told: Record, driver: str) -> None:
    assert told.scenario["driver"] == driver
    assert told.realtime is not None
    calls = told.realtime
    assert (calls.planned, calls.sent, calls.priced, calls.errors) == (50, 50, 50, {})
    assert told.lost == 0
    assert calls.latency.p50 is not None
    assert calls.besides.p50 is not None
    assert calls.price.max is not None
    assert 0 < calls.besides.p50 <= calls.latency.p50
    # An echo prices nothing; a histogram begins at a microsecond.
    assert (calls.price.max > 1.5e-6) == (driver != ECHO)


@pytest.mark.parametrize("driver", [CLIENT, ECHO])
async def test_calls_are_made_in_the_way_of_each_driver(driver: str, tmp_path: Path) -> None:
    told = await measure(scenario(driver), tmp_path)
    check_calls(told, driver)


def test_a_peer_prices_the_same_calls_and_jobs(tmp_path: Path) -> None:
    arguments = [
        *("smoke", "--consumers", "1", "--seconds", "1", "--warm-up", "0.3", "--rate", "50"),
        *("--set", "driver=taskiq", "--set", "realtime.mix={european=1}"),
        *("--set", "bulk={algorithm='pvonly', paths=10, trades=1000, chunk=20}"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "run", *arguments, "--out", str(tmp_path)],
        env={**os.environ, "AZFINSIM_REDIS_URL": ""},
        capture_output=True,
        timeout=90,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("*.json")
    told = Record.load(path)
    check_calls(told, TASKIQ)
    assert told.bulk is not None
    assert told.bulk.submitted % 1000 == 0
    assert told.bulk.priced > 0
    assert told.bulk.priced + told.bulk.cancelled == told.bulk.submitted
    assert {each for each in told.series.slots if each is not None} == {1}


def test_no_driver_is_without_its_consumers() -> None:
    assert set(DRIVERS) == {GRID, CLIENT, ECHO, TASKIQ}
    assert DRIVERS[GRID].module == DRIVERS[CLIENT].module == "consumer"


class Scripted:
    """Answers, or does not, by the number of the call."""

    async def ask(self, made: Made, seconds: float) -> Awaitable[Reply]:
        number = int(made.name.partition("-")[2])
        if number == 1:
            raise Busy(0)
        return self._answer(made, number)

    async def _answer(self, made: Made, number: int) -> Reply:
        match number:
            case 2:
                raise Rejected("bad terms")
            case 3:
                raise Dead("given up")
            case 4:
                await asyncio.sleep(DEADLINE + 0.4)  # After its caller has given up.
            case 5:
                await asyncio.Event().wait()
            case 6:
                raise NotPriced("for another reason")
            case 7:
                raise KeyError("began")
        return Reply(made.name, {"id": 1, "outcome": "priced", "ms": 2.0}, "me", 1.0)


class Sleeping(Alarm):
    """Needs no signal, which the tests' own timeout uses."""

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def test_each_end_of_a_call_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "LAST_ANSWERS", 0.5)
    course = Course(time.perf_counter() + 0.05, Ledger(DEADLINE, interval=0.5))
    asked = iter([Prepared(b"{}", b"{}")] * 9)
    planned = iter([0.01 * number for number in range(9)])
    await Sender(course, Callers(Scripted(), course)).run(planned, asked, Sleeping())
    tally: Tally = total(each for _, each in course.ledger.taken(10**6))
    assert (tally.planned, tally.priced, tally.lost) == (9, 2, 1)
    unexpected = Counter({"Unexpected KeyError": 1})
    assert tally.errors == unexpected + Counter(Busy=1, Rejected=1, Dead=1, TimedOut=2, NotPriced=1)
    assert tally.sent == 8
    warnings = judge([], realtime_of(tally, 2, 1.0, 1), None, 0).warnings
    assert sum("1 of 9 calls" in each and "(KeyError)" in each for each in warnings) == 1
    # Whoever was refused has no price by his deadline, which is no quick answer.
    assert tally.latency.percentile(100) >= DEADLINE
    assert tally.latency.percentile(30) < DEADLINE
