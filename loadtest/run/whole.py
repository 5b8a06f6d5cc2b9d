"""From a round to the record of a test. Pure, but for the machine that it looks at."""

from dataclasses import replace
from datetime import datetime
from importlib.metadata import version

from loadtest import record
from loadtest.machine import describe
from loadtest.run.round import Round
from loadtest.scenario import Scenario, as_mapping
from loadtest.timetable import phases


def record_of(
    scenario: Scenario,
    started: datetime,
    measured: Round,
    capacity: record.Capacity | None = None,
) -> record.Record:
    """What came of a test, as far as it went; a search that has found no rate meets nothing."""
    verdict = measured.verdict()
    if capacity is not None and capacity.rate is None:
        verdict = replace(verdict, met=False)
    return record.Record(
        format=record.FORMAT,
        azfinsim=version("azfinsim"),
        started=started.isoformat(timespec="seconds"),
        seconds=round(measured.measured, 3),
        scenario=as_mapping(scenario),
        machine=describe(None),
        server=record.Server(version=measured.gauges.version, nodes=measured.gauges.nodes),
        verdict=verdict,
        realtime=measured.realtime(),
        bulk=measured.bulk,
        lost=measured.lost,
        phases=phases(measured.scenario),
        faults=[
            replace(fault, to=min(fault.to, measured.now())) for fault in measured.strikes.struck
        ],
        series=measured.collector.series(),
        capacity=capacity,
        fleet=measured.fleet,
    )
