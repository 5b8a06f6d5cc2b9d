"""Pricers that hang or are greedy, on the trades that the request names.

Jobs name them ``tests.vices:...``.
"""

import faulthandler
import subprocess
import time
from pathlib import Path

import numpy as np

from engine.pricing.pricer import Batch, Figures, Request
from tests.pricers import Plain

MEGABYTE = 1024 * 1024


def _met(batch: Batch, request: Request) -> bool:
    return any(trade in request.options["ids"] for trade in batch.ids.tolist())


class Hanging(Plain):
    """Never comes back, though it lets others run."""

    def price(self, batch: Batch, request: Request) -> Figures:
        while _met(batch, request):
            time.sleep(3600)
        return Plain.price(self, batch, request)


class Spinning(Plain):
    """Never comes back, and holds the GIL as far as Python code can."""

    def price(self, batch: Batch, request: Request) -> Figures:
        spin_for_ever = _met(batch, request)
        while spin_for_ever:
            pass
        return Plain.price(self, batch, request)


class Steady(Plain):
    """Takes the seconds that the request names for each trade."""

    def price(self, batch: Batch, request: Request) -> Figures:
        time.sleep(request.options["seconds"] * len(batch))
        return Plain.price(self, batch, request)


class Greedy(Plain):
    """Takes the megabytes that the request names."""

    def price(self, batch: Batch, request: Request) -> Figures:
        if _met(batch, request):
            np.ones(request.options["megabytes"] * MEGABYTE, dtype=np.uint8)
        return Plain.price(self, batch, request)


class Leaking(Plain):
    """Keeps the megabytes that the request names, each time."""

    kept: list[object] = []  # noqa: RUF012 - to be shared is its vice

    def price(self, batch: Batch, request: Request) -> Figures:
        self.kept.append(np.ones(request.options["megabytes"] * MEGABYTE, dtype=np.uint8))
        return Plain.price(self, batch, request)


class Crashing(Plain):
    """Brings its process down in compiled code."""

    def price(self, batch: Batch, request: Request) -> Figures:
        if _met(batch, request):
            faulthandler._sigsegv()  # type: ignore[attr-defined]  # It is there for tests.
        return Plain.price(self, batch, request)


class Delegating(Plain):
    """Waits for a program of its own that never ends, and says which that is."""

    def price(self, batch: Batch, request: Request) -> Figures:
        program = subprocess.Popen(["sleep", "3600"])
        Path(request.options["told"]).write_text(str(program.pid))
        program.wait()
        return Plain.price(self, batch, request)


delegating = Delegating()
hanging, spinning, steady = Hanging(), Spinning(), Steady()
greedy, leaking, crashing = Greedy(), Leaking(), Crashing()
