"""A pricer that waits: as one that asks a service, or licensed software on another machine.

A job names ``loadtest.waiting_pricer:pricer``; its option ``pause`` says how many seconds each
trade takes. It loads no kernels.
"""

import time
from dataclasses import dataclass

from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import Schema

NAME = "loadtest.waiting_pricer:pricer"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waits, off the GIL, and returns no figures."""

    version: str = "1"
    releases_gil: bool = True

    @property
    def schema(self) -> Schema:
        """Any trade will do."""
        return {}

    def price(self, batch: Batch, request: Request) -> Figures:
        """Wait for as long as all trades take one after another."""
        time.sleep(request.options.get("pause", 0.0) * len(batch))
        return {}


pricer = Waiting()
