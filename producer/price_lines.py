"""The trades of a file or a pipe, one a line, and the lines that answer them."""

import io
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import anyio
import orjson

from engine.errors import Dead, Expired, NotPriced, Rejected, TimedOut, UsageError
from engine.outcome import Outcome
from producer.client_asks import Trade
from producer.client_result import Answer, Result
from producer.readers import MAX_LINE, Line, lines, plain
from producer.records import RecordError, UnknownForm, parse_record

_PIECE = 1 << 16
"""Bytes read from a pipe at once."""

Item = Trade | NotPriced

_OUTCOMES: Mapping[type[NotPriced], Outcome] = {
    Dead: Outcome.DEAD,
    Expired: Outcome.EXPIRED,
    TimedOut: Outcome.EXPIRED,
}
"""All else is rejected, by the lane if not by a pricer."""


class Numbering:
    """Which line, and which ID, each trade under way had."""

    def __init__(self) -> None:
        self._read = 0
        self._about: dict[int, dict[str, object]] = {}

    async def trades(self, found: AsyncIterator[Line]) -> AsyncIterator[Item]:
        """The trades of the lines that are not empty; a line that is none is rejected."""
        async for number, data in found:
            if data == b"":
                continue
            item = _read(number, data)
            about: dict[str, object] = {"line": number}
            if not isinstance(item, NotPriced):
                about["id"] = item.get("id", 0)
            self._about[self._read] = about
            self._read += 1
            yield item

    def line(self, number: int, answer: Answer) -> bytes:
        """The line that answers a trade, given its number from 0."""
        record = {**self._about.pop(number), **record_of(answer)}
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def record_of(answer: Answer) -> dict[str, object]:
    """What came of a trade, in the words of a result record."""
    if isinstance(answer, Result):
        return dict(answer.record)
    return {"outcome": _OUTCOMES.get(type(answer), Outcome.REJECTED), "reason": str(answer)}


def _read(number: int, data: bytes | RecordError) -> Item:
    try:
        if isinstance(data, RecordError):
            raise data
        return parse_record(data)
    except RecordError as error:
        return Rejected(f"line {number} {error}")


@contextmanager
def opened(path: Path) -> Iterator[AsyncIterator[Line]]:
    """The lines of a file, gzip or not, or of standard input if it is ``-``, stripped.

    Raises UsageError if it cannot be read.
    """
    if str(path) == "-":
        stdin = cast(io.BufferedIOBase, sys.stdin.buffer)
        descriptor = _waitable(stdin)
        yield _of_file(stdin) if descriptor is None else _of_pipe(descriptor)
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with stream:
        yield _of_file(stream)


def _waitable(stream: io.BufferedIOBase) -> int | None:
    """The descriptor of a pipe, socket or terminal, for which one can wait; None for a file."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return None
    mode = os.fstat(descriptor).st_mode
    waitable = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
    return descriptor if waitable else None


async def _of_file(stream: io.BufferedIOBase) -> AsyncIterator[Line]:
    try:
        for number, data in lines(plain(stream)):
            yield Line(number, data.strip() if isinstance(data, bytes) else data)
    except OSError as error:
        raise UsageError(f"cannot read the trades: {error.strerror or error}") from error


async def _of_pipe(descriptor: int) -> AsyncIterator[Line]:
    """Lines as soon as they are whole, however slowly they come; no thread is left waiting."""
    number, rest, skipping = 0, b"", False
    while True:
        await anyio.wait_readable(descriptor)
        piece = os.read(descriptor, _PIECE)
        *whole, rest = (rest + piece).split(b"\n")
        if not piece:
            whole, rest = [rest], b""
        for data in whole:
            number += 1
            yield Line(number, _too_long() if skipping else data.strip())
            skipping = False
        if not piece:
            return
        if len(rest) > MAX_LINE:
            rest, skipping = b"", True


def _too_long() -> UnknownForm:
    return UnknownForm(f"is longer than {MAX_LINE} bytes")
