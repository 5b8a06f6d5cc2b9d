"""One measurement against somebody who answers as a test wants: no consumers to be started."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from engine.call import Call
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Lane
from loadtest.run.round import Round
from loadtest.run.stand import standing
from loadtest.scenario import Scenario
from loadtest.scenario_read import load
from tests.producer.responders import Answering, present, priced, take

Delay = Callable[[float], float]
"""Seconds after which a call is answered, by the loop's time at which it was taken."""

ANNOUNCED = 3.0
"""Seconds between announcements."""


def scenario(**given: object) -> Scenario:
    """Calls alone, made to nobody that the test starts."""
    changes = ["objectives=[]", "realtime.mix={european=1}", "realtime.arrivals=constant"]
    common = {"warm_up": 0.5, "interval": 0.2, "consumers.start": 0}
    keys = {name.replace("__", "."): value for name, value in given.items()}
    return load("realtime", changes, {**common, **keys})


@asynccontextmanager
async def answering(
    url: str, delay: Delay = lambda _now: 0.0, answer: Answering = priced
) -> AsyncIterator[Grid]:
    """Answer calls, each after a delay of its own, while the body runs."""
    async with open_grid(Address.parse(url)) as grid, anyio.create_task_group() as tasks:
        await grid.calls.ensure_groups([Lane.REALTIME])
        await present(grid)
        tasks.start_soon(_announce, grid)
        tasks.start_soon(_answer, grid, delay, answer, tasks)
        yield grid
        tasks.cancel_scope.cancel()


async def measured(url: str, folder: Path, wanted: Scenario, **more: object) -> Round:
    """Run one measurement to its end."""
    async with standing(wanted, Address.parse(url), None, folder) as stand:
        told = {"tell": lambda _text: None, **more}
        made = Round(stand, wanted, **told)  # type: ignore[arg-type]
        await made.run()
        return made


async def _announce(grid: Grid) -> None:
    while True:
        await present(grid)
        await anyio.sleep(ANNOUNCED)


async def _answer(grid: Grid, delay: Delay, answer: Answering, tasks: TaskGroup) -> None:
    clock, one_at_a_time = asyncio.get_running_loop().time, anyio.Lock()

    async def later(calls: Sequence[Call], seconds: float) -> None:
        await anyio.sleep(seconds)
        # Each by a connection of its own would be more than the server has.
        async with one_at_a_time:
            replies = [(call, reply) for call in calls if (reply := answer(call)) is not None]
            await grid.calls.answer(replies)

    while True:
        if calls := await take(grid, 5):
            tasks.start_soon(later, calls, delay(clock()))
