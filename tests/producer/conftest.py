"""Fixtures for the producer's tests: a grid on the run's server."""

from collections.abc import AsyncIterator

import pytest

from engine.grid import Grid
from tests.producer.grids import reopened


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What the command line runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    """An empty grid of three partitions."""
    async with reopened(redis_url, partitions=3) as grid:
        yield grid
