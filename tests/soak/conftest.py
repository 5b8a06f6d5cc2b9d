"""Fixtures for the soak."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Field, field_at


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    """An empty grid on the run's server, and a place for consumers."""
    with field_at(redis_url, tmp_path) as made:
        yield made
