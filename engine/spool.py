"""A spool: bytes on disk on their way to a blob, so that they outlive their process and an outage.

The file begins with a line that says to which blob its bytes go, and where in that blob the first
of them belongs. What part has arrived, the blob's length tells, to whoever takes the spool over.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import orjson

_HEAD = 512
"""Bytes of the first line, filled up with spaces, so that it can be written anew in place."""


@dataclass(slots=True)
class Spool:
    """One file, locked while its process lives. Every method raises OSError."""

    path: Path
    blob: str
    at: int
    """Where in the blob the next byte to be sent belongs."""
    _file: IO[bytes]
    _sent: int = 0
    """Bytes behind the head that have arrived."""
    _size: int = 0
    """Bytes behind the head."""

    @classmethod
    def create(cls, path: Path, blob: str) -> Self:
        """A new one for the start of a blob."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Elsewhere first: who looks for what others have left must not find it without its lock.
        beside = path.with_suffix(".moving")
        file = beside.open("w+b", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made = cls(path, blob, 0, file)
        made._write_head()
        beside.replace(path)
        return made

    @classmethod
    def left_in(cls, folder: Path) -> Iterator[Self]:
        """Those in a folder whose processes have ended; each is the caller's from then on."""
        for path in sorted(folder.glob("*.spool")):
            if (found := cls._take_over(path)) is not None:
                yield found

    @classmethod
    def _take_over(cls, path: Path) -> Self | None:
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            return None  # Somebody else was quicker.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told = orjson.loads(file.read(_HEAD))
            size = os.fstat(file.fileno()).st_size - _HEAD
            found = cls(path, str(told["blob"]), int(told["at"]), file, 0, size)
            if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                return None  # Its process has put another in its place.
        except BlockingIOError:
            file.close()
            return None  # Its process lives.
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Deleted meanwhile; or its process ended before it had a head, and so anything to say.
            path.unlink(missing_ok=True)
            file.close()
            return None
        return found

    def __len__(self) -> int:
        """Bytes that are not known to have arrived."""
        return self._size - self._sent

    def add(self, data: bytes) -> None:
        """Put bytes behind the others."""
        self._file.seek(_HEAD + self._size)
        written = 0
        while written < len(data):
            written += self._file.write(data[written:]) or 0
        self._size += len(data)

    def next(self, most: int) -> bytes:
        """The bytes to be sent next, in whole lines if ``most`` holds any."""
        self._file.seek(_HEAD + self._sent)
        data = self._file.read(min(most, len(self))) or b""
        if len(data) < len(self) and (end := data.rfind(b"\n")) >= 0:
            data = data[: end + 1]
        return data

    def arrived(self, count: int) -> None:
        """Note that so many bytes more are where they belong."""
        self._sent += count
        self.at += count
        if not len(self):
            # In this order: bytes under a head that is too new would be sent once more.
            self._file.truncate(_HEAD)
            self._write_head()
            self._sent = self._size = 0

    def move(self, blob: str) -> None:
        """Send what is left to the start of another blob."""
        rest = self.next(len(self))
        beside = self.path.with_suffix(".moving")
        moved = beside.open("w+b", buffering=0)
        fcntl.flock(moved, fcntl.LOCK_EX | fcntl.LOCK_NB)
        moved.write(_head(blob, 0) + rest)
        beside.replace(self.path)
        self._file.close()
        self._file, self.blob, self.at, self._sent, self._size = moved, blob, 0, 0, len(rest)

    def close(self) -> None:
        """Leave it to others if anything is in it; else it is gone."""
        if not len(self):
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _write_head(self) -> None:
        self._file.seek(0)
        self._file.write(_head(self.blob, self.at))


def _head(blob: str, at: int) -> bytes:
    return orjson.dumps({"blob": blob, "at": at}).ljust(_HEAD - 1) + b"\n"
