"""Fixtures of this room's tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """What the Redis client runs on; trio comes with a tool of the tests, and is not ours."""
    return "asyncio"
