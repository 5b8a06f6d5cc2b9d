"""The lock on a data directory: one server at a time.

What may live here: taking the lock, and the note in it that tells others who has it. It is an
flock, so it belongs to whoever holds the open file: a server that inherits the descriptor has the
lock for as long as it lives, and no longer, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError

LOCK_NAME = "azfinsim.lock"

# How long, in seconds, the directory's last server may take to end when its owner has just died.
_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.005
_NOTE_BYTES = 400


@dataclass(frozen=True)
class DirectoryLock:
    """A lock that is held; ``descriptor`` can be passed on to the process that shall keep it."""

    descriptor: int

    def note(self, holder: str) -> None:
        """Write down who holds the lock, for the error of the next who wants it."""
        os.pwrite(self.descriptor, f"{holder}\n".encode(), 0)


@contextmanager
def locked(directory: Path | None) -> Iterator[DirectoryLock | None]:
    """Hold the lock on ``directory``, if there is one; its heirs hold it afterwards.

    Raises UsageError if another process has it, or the directory cannot be written.
    """
    if directory is None:
        yield None
        return
    try:
        lock = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(f"cannot keep data in {directory}: {error.strerror}") from error
    try:
        _take(lock, directory)
        os.ftruncate(lock, 0)  # the note of the one before
        yield DirectoryLock(lock)
    finally:
        os.close(lock)


def _take(lock: int, directory: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                note = os.pread(lock, _NOTE_BYTES, 0).decode(errors="replace").strip()
                holder = note or "one that is starting"
                raise UsageError(f"{directory} is in use by another server: {holder}") from None
        except OSError as error:
            raise UsageError(f"cannot lock {directory}: {error.strerror}") from error
        time.sleep(_POLL_SECONDS)
