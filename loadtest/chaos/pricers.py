"""What the jobs of a chaos run are priced by: ``pvonly``, slowed down, and with poison among it.

A job names ``loadtest.chaos.pricers:pricer``; its options say which of its trades are poison:
``{"pause": 0.01, "raises": [3], "kills": [5], "hangs": [7], "exhausts": [9]}``.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

from engine.pricing.pricer import Batch, Figures, Request
from engine.pricing.warrant import pvonly
from engine.trade import Schema

NAME = "loadtest.chaos.pricers:pricer"

MORE_THAN_ANY_MACHINE_HAS = 1 << 46
"""Bytes; refused at once, so that no other program on this machine suffers."""

PIECE = 1 << 24
"""Bytes taken at a time where there is a bound."""


@dataclass(frozen=True, slots=True)
class Chaotic:
    """Prices as ``pvonly`` does, the same bits, but for the trades that are poison."""

    version: str = "1"
    releases_gil: bool = True
    """Which is what a pricer says that takes its whole consumer with it."""

    @property
    def schema(self) -> Schema:
        return pvonly.schema

    def price(self, batch: Batch, request: Request) -> Figures:
        """The figures of ``pvonly``, after ``pause`` seconds for each trade.

        Raises ValueError for a trade that ``raises``, MemoryError for one that ``exhausts``.
        """
        trades = set(batch.ids.tolist())
        if trades & _poison(request, "kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        if trades & _poison(request, "hangs"):
            time.sleep(86_400)
        if trades & _poison(request, "exhausts"):
            _exhaust()
        if trades & _poison(request, "raises"):
            raise ValueError("poison")
        time.sleep(request.options.get("pause", 0.0) * len(batch))
        return pvonly.price(batch, request)


def _exhaust() -> None:
    """Take memory until there is no more, if this process has a bound; raises MemoryError."""
    if sys.platform == "linux":
        import resource

        taken = []
        while resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY:
            taken.append(np.ones(PIECE, dtype=np.uint8))
    np.empty(MORE_THAN_ANY_MACHINE_HAS, dtype=np.uint8)


def _poison(request: Request, vice: str) -> set[int]:
    return set(request.options.get(vice, ()))


pricer = Chaotic()
