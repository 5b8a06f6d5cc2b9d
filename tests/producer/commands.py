"""A command as its users call it, within the test's own process.

What may live here: what the tests of ``azfinsim job`` share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

REPORT = [
    *("job", "state", "submitted", "priced", "rejected", "dead", "expired", "cancelled"),
    *("in_flight", "seconds", "trades_per_second"),
]
"""The fields that every report of a job has."""


@dataclass
class Run:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stands on standard output, which must be one JSON object on one line."""
        assert self.out.count("\n") == 1
        return orjson.loads(self.out)


Command = Callable[..., Run]
