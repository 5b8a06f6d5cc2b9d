"""Vigil: what is in a slot for long is told of, again and again but ever more rarely."""

from itertools import pairwise

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from consumer import vigil
from consumer.holdings import Held
from consumer.settings import Settings
from engine.chunk import Chunk
from engine.connection import Address
from engine.entry import Entry
from engine.grid import open_grid
from engine.job import Job, Lane
from engine.pricing.pricer import Request
from tests.consumer.desks import desk_of


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def held(ids: str) -> Held:
    chunk = Chunk(np.arange(3), {}, Request(), 0.0, 1)
    return Held(Entry(0, Lane.BULK, f"{ids}-0", "night", 1, ids), Job("night", "synthetic"), chunk)


async def test_what_takes_long_is_told_of_at_growing_intervals(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil, "FIRST", 0.02)
    monkeypatch.setattr(vigil, "LOOK", 0.002)
    async with open_grid(Address.parse(redis_url)) as grid:
        settings = Settings("a", [Lane.BULK], slots=1)
        with desk_of(grid, settings) as desk, capture_logs() as told:
            desk.holdings.add(held("7"))
            desk.holdings.add(held("8"))
            [slow] = await desk.holdings.next(lambda _queued, _job: 1)
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(vigil.run, desk)
                    while len(told) < 4:  # noqa: ASYNC110 - a log sets no event
                        await anyio.sleep(0.005)
                    desk.holdings.finish(slow.entry)
                    tasks.cancel_scope.cancel()
    assert {(each["job"], each["ids"], each["trades"]) for each in told} == {("night", "7", 3)}
    seconds = [each["seconds"] for each in told]
    assert seconds[0] >= 0.02
    assert all(later >= 1.9 * earlier for earlier, later in pairwise(seconds))
