"""Where a slot's process was when it died, or is now that it hangs: what faulthandler has to say.

That needs neither the GIL nor a sound interpreter, so it also tells of compiled code that crashes
or never comes back.
"""

import faulthandler
import os
import signal
from contextlib import suppress
from tempfile import TemporaryFile
from typing import BinaryIO

import anyio
from anyio.abc import Process

from engine.letter import MOST_TRACEBACK

_ASKS = signal.SIGUSR1
"""Has the process tell where it is."""

_PATIENCE = 0.5
"""Seconds that it may take."""

_LOOK = 0.01
"""Seconds between looks at whether it has."""


class Trace:
    """A file that a process writes into when it crashes or is asked."""

    def __init__(self) -> None:
        self._file = _file()

    def fileno(self) -> int:
        """What the process is given."""
        return self._file.fileno()

    def read(self) -> str:
        """What it has told, "" if nothing."""
        return os.pread(self.fileno(), 4 * MOST_TRACEBACK, 0).decode(errors="replace").strip()

    async def ask(self, process: Process) -> str:
        """Have a process that hangs tell where it is."""
        with suppress(ProcessLookupError):
            process.send_signal(_ASKS)
        with anyio.move_on_after(_PATIENCE):
            told = ""
            while not told or told != self.read():
                told = self.read()
                await anyio.sleep(_LOOK)
        return self.read()

    def close(self) -> None:
        self._file.close()


def _file() -> BinaryIO:
    """A file without a name; in memory if that can be had, since a container may have no disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("trace"), "r+b", buffering=0)
    return TemporaryFile(buffering=0)


def tell(descriptor: int) -> None:
    """Have this process tell where it is, into the file of a ``Trace``."""
    faulthandler.enable(file=descriptor, all_threads=False)
    faulthandler.register(_ASKS, file=descriptor, all_threads=False)
