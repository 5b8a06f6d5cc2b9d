"""What a test uses of a driver beside its calls: who queues its jobs, and what waits for it."""

from typing import Protocol

from engine.connection import Address
from engine.grid import Grid
from engine.outcome import Counts
from loadtest.drivers import TASKIQ
from loadtest.run.background import Background
from loadtest.run.gauges import GridQueues, Queues
from loadtest.scenario import Scenario


class Jobs(Protocol):
    """Keeps jobs running; to be told to look some times a second."""

    @property
    def counts(self) -> Counts:
        """Of all jobs."""

    @property
    def lost(self) -> int:
        """Trades that have no outcome and are not queued; known at the end."""

    async def begin(self) -> None:
        """Queue the first job."""

    async def look(self) -> None:
        """See how far it is, and queue the next job in time."""

    async def end(self, *, audit: bool) -> Counts:
        """Cancel what is left; with ``audit``, for which all consumers must have left, find what
        was lost."""


def jobs_for(scenario: Scenario, grid: Grid, address: Address, name: str) -> Jobs | None:
    """Who queues a test's jobs, in its name; None if it has none."""
    if scenario.bulk is None:
        return None
    if scenario.driver == TASKIQ:
        # Imported here: only developers have what it needs.
        from loadtest.drivers.taskiq_jobs import TaskiqJobs

        return TaskiqJobs(grid.redis, address.url, scenario.bulk, scenario.seed)
    return Background(grid, scenario.bulk, name, scenario.seed)


def queues_for(scenario: Scenario, grid: Grid) -> Queues:
    """What waits for a driver's consumers."""
    if scenario.driver == TASKIQ:
        from loadtest.drivers.taskiq_jobs import TaskiqQueues

        return TaskiqQueues(grid.redis)
    return GridQueues(grid)
