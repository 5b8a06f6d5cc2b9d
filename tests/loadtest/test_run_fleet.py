"""Simulated consumers take a test's jobs, and real ones its calls."""

from pathlib import Path

import psutil

from loadtest.run.once import measure
from loadtest.run.round import Round
from loadtest.run.server import server_for
from loadtest.run.stand import standing
from loadtest.scenario import Scenario
from loadtest.scenario_read import load

CORES, SECONDS = 10 * 4, 0.02


def scenario() -> Scenario:
    given = {
        "fleet.consumers": 10,
        "fleet.slots": 4,
        "bulk.trades": 10_000,
        "bulk.chunk": 10,
        "bulk.options": {"task_duration": SECONDS * 1000},
        "seconds": 2.5,
        "warm_up": 1,
        "objectives": ["lost = 0"],
    }
    return load("fleet", [], given)


async def test_a_fleet_takes_the_jobs_and_tells_how_it_fared(tmp_path: Path) -> None:
    told = await measure(scenario(), tmp_path)
    assert told.verdict.met
    assert told.fleet is not None
    assert told.bulk is not None
    assert told.realtime is not None
    assert (told.fleet["consumers"], told.fleet["slots"]) == (10, CORES)
    assert told.fleet["trades_per_second"] == told.bulk.rate
    # Slots that sleep cannot do more than they could, nor much less where nothing else is done.
    assert 0.3 < told.fleet["slots_busy"] < 1.2
    assert 0 < told.fleet["settle"]["p50"] <= told.fleet["settle"]["p99"]
    # Both processes have told of themselves twice meanwhile, and neither uses more than a core.
    assert len(told.fleet["processes_cpu"]) == 2
    assert all(0 < each < 1.2 for each in told.fleet["processes_cpu"])
    assert told.realtime.priced == told.realtime.planned > 0
    assert told.bulk.priced + told.bulk.cancelled == told.bulk.submitted
    # One that is real beside those that are not.
    assert max(each or 0 for each in told.series.consumers) == 11


async def test_a_fleet_that_dies_is_told(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(round_: Round) -> None:
        if round_.now() > 0.2 and not killed:
            assert round_.stand.fleet is not None
            killed.append(round_.stand.fleet.running.processes[0].pid)
            psutil.Process(killed[0]).kill()

    wanted = scenario()
    async with (
        server_for(wanted, None, tmp_path) as (address, own),
        standing(wanted, address, own, tmp_path) as stand,
    ):
        made = Round(stand, wanted, lambda _text: None, on_look=kill)
        await made.run()
    assert "fleet process 1 ended with code -9" in " ".join(made.verdict().warnings)
    assert made.lost == 0
