"""The synthetic pricer: takes time and memory as told, and prices nothing."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import Schema

MEGABYTE = 1024 * 1024

_WORK = bytes(64 * 1024)
"""Hashed to burn time: hashlib releases the GIL for it, as a pricer's kernel would."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Burns ``task_duration`` ms of processor time a trade while it holds ``mem_usage`` MB."""

    version: str = "1"
    releases_gil: bool = True

    @property
    def schema(self) -> Schema:
        """Any trade will do."""
        return {}

    def price(self, batch: Batch, request: Request) -> Figures:
        """Spend the time; returns no figures. 0 ms is none at all.

        Raises ValueError if an option is no number of at least 0.
        """
        milliseconds = _amount(request.options, "task_duration")
        megabytes = _amount(request.options, "mem_usage")
        # Written to, since the system hands out memory only when it is touched.
        held = np.ones(int(megabytes * MEGABYTE), dtype=np.uint8)
        if milliseconds:
            _burn(milliseconds / 1000 * len(batch))
        del held
        return {}


def _burn(seconds: float) -> None:
    # Processor time, not the clock's: a core shared with others does as much work, later.
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(_WORK)


def _amount(options: Mapping[str, object], name: str) -> float:
    value = options.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{name} is {value!r}: must be a number of at least 0")
    return float(value)


pricer = Synthetic()
