"""Simulated consumers that take the jobs of a test, beside real ones that take its calls."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread

from engine.connection import Address
from engine.errors import UsageError
from loadtest.fleet.measure import percentiles
from loadtest.fleet.processes import Fleet, fleet
from loadtest.fleet.shape import LATE, SATURATED, Shape
from loadtest.scenario import BulkPart, FleetPart, Scenario

SYNTHETIC = "synthetic"


def check(scenario: Scenario, address: Address | None) -> None:
    """Raise UsageError for a fleet that could not serve the scenario's jobs."""
    if scenario.fleet is None:
        return
    if scenario.bulk is None:
        raise UsageError("fleet: simulated consumers take jobs, of which the scenario has none")
    if address is not None:
        raise UsageError(
            "fleet: simulated consumers price nothing, so they have a server of their own: leave "
            "--redis-url out"
        )
    if scenario.bulk.algorithm != SYNTHETIC:
        raise UsageError(
            f"fleet: simulated consumers sleep, and cannot price by {scenario.bulk.algorithm}: add "
            "--set bulk.algorithm=synthetic --set 'bulk.options={task_duration=50}'"
        )


def shape_of(part: FleetPart, bulk: BulkPart, partitions: int) -> Shape:
    """A scenario's fleet and its work."""
    milliseconds = bulk.options.get("task_duration", 0)
    return Shape(
        part.consumers,
        part.slots,
        bulk.chunk,
        float(milliseconds) if isinstance(milliseconds, int | float) else 0.0,
        partitions,
        lanes=bulk.lane,
        processes=part.processes,
    )


@dataclass(slots=True)
class FleetSeats:
    """The fleet of a test, while it runs."""

    shape: Shape
    running: Fleet
    _ending: ExitStack
    left: bool = False

    async def leave(self) -> None:
        """Let it leave; what it holds is handed back."""
        if not self.left:
            self.left = True
            await to_thread.run_sync(self._ending.close)

    def told(self, since: float, until: float, trades: float | None) -> Mapping[str, Any]:
        """What is to be said of it between two moments of Unix time, in which it settled so many
        trades a second. Times are in seconds."""
        fared, shape = self.running.fared(since, until), self.shape
        lag = percentiles(fared.lag)
        strained = max(fared.cpu, default=0.0) >= SATURATED or lag.get("p99", 0.0) > LATE
        return {
            "consumers": shape.consumers,
            "slots": shape.cores,
            "trades_per_second": trades,
            "slots_busy": trades / shape.ideal if trades is not None and shape.ideal else None,
            "settle": percentiles(fared.settle),
            "event_loop_late": lag,
            "processes_cpu": list(fared.cpu),
            "simulation_is_the_limit": strained,
        }


@asynccontextmanager
async def fleet_for(
    scenario: Scenario, address: Address, folder: Path, partitions: int
) -> AsyncIterator[FleetSeats | None]:
    """A scenario's fleet, which serves; it leaves with the body. None if it has none.

    Raises ProcessFailed if it does not get ready.
    """
    if scenario.fleet is None or scenario.bulk is None:
        yield None
        return
    shape = shape_of(scenario.fleet, scenario.bulk, partitions)
    with ExitStack() as stack:
        running = stack.enter_context(fleet(address.url, folder, shape))
        await running.serving()
        yield FleetSeats(shape, running, stack)
