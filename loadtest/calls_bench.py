"""One run of the benchmark of calls: scenarios of the harness, each on a server of its own.

The same calls for the bare way, for an idle grid, for one whose slots are full of bulk, and for the
peer. Those of the grid are made by the client that users have. Each can be had by itself:

    python -m loadtest run realtime --set driver=client --set realtime.mix={pvonly=1}
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loadtest import record
from loadtest.drivers import CLIENT, DRIVERS, ECHO, TASKIQ
from loadtest.figures import Measured
from loadtest.grid_bench import Step
from loadtest.processes import ProcessFailed
from loadtest.run.once import measure
from loadtest.scenario_read import load

RATE = 50.0
"""Calls a second, as one desk might make; a price takes 4 ms of a core."""

SLOTS = 2

DEADLINE = 30.0
"""Seconds: late is late, and shows in the percentiles rather than as an error."""

WARM_UP = 3.0

INTERVAL = 0.2
"""Seconds between looks, by which the rate of bulk is told."""

BULK = {"algorithm": "pvonly", "chunk": 75, "trades": 20_000}
"""Chunks that take a slot some 300 ms."""


@dataclass(frozen=True, slots=True)
class CallsRun:
    """One run; adds what it measures to ``measured``."""

    folder: Path
    """For the logs of the processes."""
    measured: Measured
    step: Step
    seconds: float
    """That each of them is measured."""

    async def run(self) -> None:
        """Measure all. Raises ServerError, or ProcessFailed if nothing was priced."""
        with self.step("realtime: the bare round trip"):
            echo = await self._calls(ECHO)
        with self.step(f"realtime: {RATE:.0f} trades a second, idle"):
            idle = await self._calls(CLIENT)
        with self.step(f"realtime: {RATE:.0f} trades a second, beside bulk"):
            busy = await self._calls(CLIENT, bulk=BULK)
        self._note("echo", echo.latency)
        for name, calls in (("realtime", idle), ("busy", busy)):
            self._note(name, calls.latency)
            self._note(f"{name}_besides", calls.besides)
        add = self.measured.add
        add("besides_to_echo", _ratio(idle.besides.p50, echo.latency.p50))
        add("busy_ratio", _ratio(busy.latency.p99, idle.latency.p99))
        add("realtime_errors", sum(idle.errors.values()) + sum(busy.errors.values()))
        if find_spec(DRIVERS[TASKIQ].needs) is not None:
            with self.step(f"realtime: {RATE:.0f} trades a second through taskiq-redis"):
                peer = await self._calls(TASKIQ)
            self._note("peer_realtime", peer.latency)
            add("peer_realtime_ratio", _ratio(peer.besides.p50, idle.besides.p50))

    async def _calls(self, driver: str, **parts: Any) -> record.Realtime:
        """What came of the calls; each scenario's logs have a folder of their own."""
        folder = self.folder / f"{driver}-{'-'.join(parts)}"
        folder.mkdir()
        given = {
            "driver": driver,
            "seconds": self.seconds,
            "warm_up": min(WARM_UP, self.seconds),
            "interval": INTERVAL,
            "objectives": [],
            "realtime.rate": RATE,
            "realtime.mix": {"pvonly": 1},
            "realtime.arrivals": "constant",
            "realtime.deadline": DEADLINE,
            "consumers.start": 1,
            "consumers.slots": SLOTS,
            **parts,
        }
        told = await measure(load("realtime", [], given), folder)
        if told.realtime is None or not told.realtime.priced:
            raise ProcessFailed(f"no realtime trade was priced by {driver}: see {folder}")
        if told.bulk is not None:
            self.measured.add("busy_bulk_rate", told.bulk.rate or 0.0)
        return told.realtime

    def _note(self, key: str, times: record.Times) -> None:
        for name in ("p50", "p99"):
            self.measured.add(f"{key}_{name}", getattr(times, name) * 1000)


def _ratio(one: float | None, other: float | None) -> float:
    # Both are known where any call was answered.
    assert one is not None
    assert other
    return one / other
