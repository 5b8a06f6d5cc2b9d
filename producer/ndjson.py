"""Writing trades as NDJSON, plain or gzip.

A file comes into being whole or not at all: it is written beside its place and then moved there.
"""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import orjson

from engine.blocks import Trades
from engine.errors import UsageError

GZIP_LEVEL = 1
"""Random digits barely shrink: 6 would take 1.7 times as long for a sixth fewer bytes."""


def encode_trades(trades: Trades) -> bytes:
    """One JSON object a line, ID first, without the fields that a trade lacks."""
    names = ("id", *trades.columns)
    rows = zip(trades.ids, *trades.columns.values(), strict=True)
    return b"".join(
        orjson.dumps(
            {name: value for name, value in zip(names, row, strict=True) if value is not None},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row in rows
    )


class Output:
    """A stream to write to, whose errors tell the user what cannot be written."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, data: bytes) -> None:
        """Raises UsageError if that fails, for want of space for example."""
        with _told(self._name):
            self._stream.write(data)

    def flush(self) -> None:
        """Raises UsageError as ``write`` does."""
        with _told(self._name):
            self._stream.flush()


@contextmanager
def output_file(path: Path) -> Iterator[Output]:
    """A new file at ``path``, gzip if its name ends in .gz; what was there is replaced at the end.

    Raises UsageError if it cannot be written.
    """
    # A device or pipe is written to as it stands: nothing can take its place.
    special = path.exists() and not path.is_file()
    part = path if special else path.with_name(f".{path.name}.{os.getpid()}.part")
    with _told(str(path)):
        raw: IO[bytes] = open(part, "wb")  # noqa: SIM115 - closed below, to tell of its errors
    stream = raw
    if path.suffix == ".gz":
        # No time and no name inside, so that the same trades make the same bytes.
        stream = cast(IO[bytes], gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0))
    try:
        yield Output(stream, str(path))
        with _told(str(path)):
            stream.close()
            raw.close()
            if not special:
                part.replace(path)
    finally:
        for each in (stream, raw):
            # What could not be written is told already; this only gives up the file.
            with suppress(OSError):
                each.close()
        if not special:
            part.unlink(missing_ok=True)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # Whoever read it has left: no fault, and the command-line edge knows it.
    except OSError as error:
        raise UsageError(f"cannot write {name}: {error.strerror or error}") from error
