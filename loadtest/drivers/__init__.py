"""Who is measured: the grid, and whatever else can be given the same calls and trades.

A driver has consumers, each a process that ``loadtest.run`` starts and ends as it does the grid's
own, and a way for generators to make calls. With one that prices jobs comes a way to queue them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Driver:
    """One of them."""

    what: str
    """It is, in words."""
    module: str
    """``python -m MODULE --slots N`` is one of its consumers."""
    ours: bool = True
    """Whether its calls travel as the grid's do, so that whoever serves a grid can answer them."""
    jobs: bool = True
    """Whether it prices jobs."""
    needs: str = ""
    """A package that is not installed with azfinsim."""


GRID, CLIENT, ECHO, TASKIQ = "azfinsim", "client", "echo", "taskiq"

DRIVERS: Mapping[str, Driver] = {
    GRID: Driver("the grid, by a sender that costs little", "consumer"),
    CLIENT: Driver("the grid, by the client that users have", "consumer"),
    ECHO: Driver(
        "the grid's streams, with somebody at their other end who answers at once, unpriced",
        "loadtest.drivers.echo",
        jobs=False,
    ),
    TASKIQ: Driver(
        "taskiq-redis, whose tasks call the grid's pricers",
        "loadtest.drivers.taskiq_worker",
        ours=False,
        needs="taskiq_redis",
    ),
}
