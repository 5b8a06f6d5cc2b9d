"""A spool: bytes on disk on their way to a blob, so that they outlive their process and an outage.

The file begins with a line that says to which blob its bytes go, and where in that blob the first
of them belongs. What part has arrived, the blob's length tells, to whoever takes the spool over.
"""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import IO, Self

import orjson

_HEAD = 8192
"""Bytes of the first line, filled up with spaces, so that it can be written anew in place. A blob's
name has 1,024 characters at most."""

_PIECE = 4 << 20
"""Bytes that are copied at once; when as many have arrived, their room on disk is given back."""

_MOVING = ".moving"
"""What a file is called until it is whole."""


@dataclass(slots=True)
class Spool:
    """One file, locked while its process lives. Every method raises OSError.

    One thread may add while another sends, that is, calls all the rest.
    """

    path: Path
    blob: str
    at: int
    """Where in the blob the next byte to be sent belongs."""
    _file: IO[bytes]
    _sent: int = 0
    """Bytes behind the head that have arrived."""
    _size: int = 0
    """Bytes behind the head."""
    _changing: Lock = field(default_factory=Lock)

    @classmethod
    def create(cls, path: Path, blob: str) -> Self:
        """A new one for the start of a blob."""
        return cls(path, blob, 0, _put(path, [_head(blob, 0)]))

    @classmethod
    def left_in(cls, folder: Path) -> Iterator[Self]:
        """Those in a folder whose processes have ended; each is the caller's from then on."""
        for path in sorted(folder.glob(f"*{_MOVING}")):
            # Its process ended before it took the place of a spool, which is there still.
            _remove(path)
        for path in sorted(folder.glob("*.spool")):
            if (found := cls._take(path)) is not None:
                yield found

    @classmethod
    def _take(cls, path: Path) -> Self | None:
        """What was left at a path; None if it is nothing to be sent by this process."""
        # What cannot be opened or read keeps nobody from the others.
        with suppress(OSError):
            if (file := _left(path)) is None:
                return None
            if (found := cls._read(path, file)) is not None:
                return found
            # Damaged: nobody knows where it belongs.
            file.close()
            _remove(path)
        return None

    @classmethod
    def _read(cls, path: Path, file: IO[bytes]) -> Self | None:
        try:
            told = orjson.loads(file.read(_HEAD))
            size = os.fstat(file.fileno()).st_size - _HEAD
            return cls(path, str(told["blob"]), int(told["at"]), file, 0, size)
        except (ValueError, KeyError, TypeError):
            return None

    def __len__(self) -> int:
        """Bytes that are not known to have arrived."""
        return self._size - self._sent

    def add(self, data: bytes) -> None:
        """Put bytes behind the others, all or none."""
        with self._changing:
            try:
                _write(self._file, data, _HEAD + self._size)
            except OSError:
                # Whoever takes the spool over sends all that the file holds.
                with suppress(OSError):
                    self._file.truncate(_HEAD + self._size)
                raise
            self._size += len(data)

    def next(self, most: int) -> bytes:
        """The bytes to be sent next, in whole lines if ``most`` holds any."""
        left = len(self)
        data = os.pread(self._file.fileno(), min(most, left), _HEAD + self._sent)
        if len(data) < left and (end := data.rfind(b"\n")) >= 0:
            data = data[: end + 1]
        return data

    def arrived(self, count: int) -> None:
        """Note that so many bytes more are where they belong."""
        with self._changing:
            self._sent += count
            self.at += count
            if not len(self):
                # In this order: bytes under a head that is too new would be sent once more.
                self._file.truncate(_HEAD)
                _write(self._file, _head(self.blob, self.at), 0)
                self._sent = self._size = 0
            elif self._sent >= max(_PIECE, len(self)):
                self._renew()

    def move(self, blob: str) -> None:
        """Send what is left to the start of another blob."""
        with self._changing:
            before = self.blob, self.at
            self.blob, self.at = blob, 0
            try:
                self._renew()
            except OSError:
                self.blob, self.at = before
                raise

    def close(self) -> None:
        """Leave it to others if anything is in it; else it is gone."""
        if not len(self):
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _renew(self) -> None:
        """Put a file in this one's place that holds only what is left."""
        renewed = _put(self.path, chain([_head(self.blob, self.at)], self._rest()))
        self._file.close()
        self._file, self._sent, self._size = renewed, 0, len(self)

    def _rest(self) -> Iterator[bytes]:
        at, end = _HEAD + self._sent, _HEAD + self._size
        while data := os.pread(self._file.fileno(), min(_PIECE, end - at), at):
            yield data
            at += len(data)


def _put(path: Path, content: Iterable[bytes]) -> IO[bytes]:
    """Put a new file in a path's place, locked."""
    # Somebody may have tidied the folder away.
    path.parent.mkdir(parents=True, exist_ok=True)
    # Elsewhere first: who looks for what others have left must not find it half, or unlocked.
    beside = path.with_suffix(_MOVING)
    while (file := _lock(beside, os.O_RDWR | os.O_CREAT)) is None:
        pass  # Somebody who tidies up was quicker, and is about to remove it.
    try:
        file.truncate(0)
        at = 0
        for data in content:
            _write(file, data, at)
            at += len(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        file.close()
        raise
    return file


def _left(path: Path) -> IO[bytes] | None:
    """Lock a file that somebody has left; None if it is in use, gone, or another user's."""
    with suppress(FileNotFoundError, PermissionError):
        return _lock(path, os.O_RDWR)
    return None


def _remove(path: Path) -> None:
    """Remove a file that nobody uses, if that can be done."""
    with suppress(OSError):
        if (file := _left(path)) is not None:
            path.unlink()
            file.close()


def _lock(path: Path, flags: int) -> IO[bytes] | None:
    """Open a file and lock it; None if another process has it, or it has gone meanwhile."""
    file = os.fdopen(os.open(path, flags, 0o644), "r+b", buffering=0)
    with suppress(FileNotFoundError, BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    # Its process lives; or another file is in its place, or none.
    file.close()
    return None


def _write(file: IO[bytes], data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, at)
        view, at = view[written:], at + written


def _head(blob: str, at: int) -> bytes:
    told = orjson.dumps({"blob": blob, "at": at})
    if len(told) >= _HEAD:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), blob[:60])
    return told.ljust(_HEAD - 1) + b"\n"
