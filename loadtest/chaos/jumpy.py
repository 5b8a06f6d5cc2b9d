"""A consumer whose clock jumps whenever it gets SIGUSR2: ``python -m loadtest.chaos.jumpy``.

Its wall clock alone: no system lets that of a single process be set, so ``time.time`` is replaced.
"""

import runpy
import signal
import time
from itertools import cycle

JUMPS = (3600.0, -7200.0, 86_400.0, -82_800.0)
"""Seconds; together none."""

_true_time = time.time
_jumps = cycle(JUMPS)
_offset = 0.0


def _jump(*_: object) -> None:
    global _offset
    _offset += next(_jumps)


def _false_time() -> float:
    return _true_time() + _offset


if __name__ == "__main__":
    time.time = _false_time
    signal.signal(signal.SIGUSR2, _jump)
    runpy.run_module("consumer", run_name="__main__")
