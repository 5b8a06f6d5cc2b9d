"""Which of a consumer's threads and processes the system lets run first (G9).

Bulk uses every core. What realtime needs of them it should not have to share with that: on Linux
the threads and processes of bulk step back by a few degrees of niceness.
"""

import os
import sys
import threading
from contextlib import suppress

NICENESS = 10
"""Of bulk beside realtime: when both want one core, realtime gets nine tenths of it."""

SWITCH_INTERVAL = 0.0001
"""Seconds for which a thread of bulk may keep the GIL from the event loop. Python's default is
0.005, and a realtime trade needs the GIL some six times."""

_stepped_back = threading.local()


def step_back(process: int | None = None) -> None:
    """Let this thread, or the process of this ID, step back behind the others."""
    # Elsewhere than on Linux a thread has no priority of its own that this could set.
    if sys.platform != "linux" or (process is None and hasattr(_stepped_back, "done")):
        return
    _stepped_back.done = True
    with suppress(OSError):  # It has ended, or is nice already.
        os.setpriority(os.PRIO_PROCESS, process or threading.get_native_id(), NICENESS)
