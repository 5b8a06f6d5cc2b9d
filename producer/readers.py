"""Reading a file of trades: its lines, and batches of what they hold.

What may live here: the way from a stream of bytes, plain or gzip, to batches of checked trades, in
bounded memory. What one line holds is read in ``records``, whether it is right in ``checks``.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import UsageError
from producer.checks import checked
from producer.load import Batch, Rejected
from producer.records import Fields, RecordError, UnknownForm, parse_record

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE = 1 << 20
"""Bytes; a longer line is skipped, as a bad record."""

BATCH_RECORDS = 2_000
"""Few enough to stay in the processor's cache while they are checked: twice as fast as 10,000."""

BATCH_BYTES = 16 << 20
BATCH_FIELDS = 1_000
"""A batch may end sooner, so that no file fills the memory."""

UNKNOWN_LINES = 100
"""A file that begins with so many lines of no known form is not ours."""

_BUFFER = 1 << 18


class Line(NamedTuple):
    """A line of a file."""

    number: int
    data: bytes | RecordError
    """The line, or why there is none."""


class _Record(NamedTuple):
    line: int
    size: int
    read: Fields | RecordError
    """The fields of a trade, or why there are none."""


def read_trades(stream: io.BufferedIOBase, name: str) -> Iterator[Batch]:
    """The trades of a file of NDJSON or SET commands, plain or gzip, in order of line.

    What is no good trade is told in ``Batch.rejected``; so is gzip data that is damaged, as the
    last line. Raises UsageError if ``stream``, which errors call ``name``, cannot be read, or holds
    nothing that could be a trade.
    """
    try:
        yield from _batches(_ours(_records(lines(plain(stream))), name))
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror or error}") from error


class _Joined(io.RawIOBase):
    """The beginning of a stream, read already, and then the rest of it."""

    def __init__(self, head: bytes, rest: io.BufferedIOBase) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        # Not read, which waits for all, and forgets what it has when the rest proves damaged.
        data = self._head[: len(view)] or self._rest.read1(len(view))
        self._head = self._head[len(view) :]
        view[: len(data)] = data
        return len(data)


def plain(stream: io.BufferedIOBase) -> io.BufferedIOBase:
    """The stream, decompressed if it begins as gzip does; its name says nothing sure."""
    head = stream.read(2)
    joined = io.BufferedReader(_Joined(head, stream), _BUFFER)
    if head != b"\x1f\x8b":
        return joined
    return io.BufferedReader(_Joined(b"", gzip.GzipFile(fileobj=joined)), _BUFFER)


def lines(stream: io.BufferedIOBase) -> Iterator[Line]:
    """The lines of a stream; one that is too long has the reason in its place, as damage has."""
    number = 0
    try:
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (more := stream.readline(MAX_LINE)) and not more.endswith(b"\n"):
                    pass
                yield Line(number, UnknownForm(f"is longer than {MAX_LINE} bytes"))
            else:
                yield Line(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = str(error).rstrip(".")
        yield Line(number + 1, UnknownForm(f"and what follows: damaged gzip data ({reason})"))


def _records(numbered: Iterator[Line]) -> Iterator[_Record]:
    for number, line in numbered:
        if isinstance(line, RecordError):
            yield _Record(number, 0, line)
        elif stripped := line.strip():
            try:
                yield _Record(number, len(stripped), parse_record(stripped))
            except RecordError as error:
                yield _Record(number, 0, error)


def _ours(records: Iterator[_Record], name: str) -> Iterator[_Record]:
    """The records; UsageError as soon as it is clear that they are of some other kind of file."""
    known = False
    first: _Record | None = None
    for count, record in enumerate(records, start=1):
        first = first or record
        known = known or not isinstance(record.read, UnknownForm)
        if count == UNKNOWN_LINES and not known:
            break
        yield record
    if first is None:
        raise UsageError(f"{name} is empty")
    if not known:
        raise UsageError(f"{name} holds no trades: line {first.line} {first.read}")


def _batches(records: Iterator[_Record]) -> Iterator[Batch]:
    rows: list[tuple[int, Fields]] = []
    rejected: list[Rejected] = []
    size = 0
    names: set[str] = set()
    for line, length, read in records:
        if isinstance(read, RecordError):
            rejected.append(Rejected(line, str(read)))
        else:
            rows.append((line, read))
            names.update(read)
        size += length
        full = len(rows) + len(rejected) >= BATCH_RECORDS
        if full or size >= BATCH_BYTES or len(names) >= BATCH_FIELDS:
            yield checked(rows, rejected, size)
            rows, rejected, size = [], [], 0
            names.clear()
    yield checked(rows, rejected, size)
