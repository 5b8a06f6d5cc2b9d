"""One line of a file as a trade's fields: a JSON object, or a SET command of the older dump.

What may live here: the two forms of a line. Whether the values make sense is judged elsewhere, by
columns. Pure.
"""

import json
import math
import re
from xml.parsers import expat

import orjson

from engine.trade import WARRANT, Kind

Fields = dict[str, object]
"""A trade as read, ``id`` among its fields; nothing is sure but that orjson can write it."""

MAX_FIELDS = 256
"""Fields a trade may have: a block has a column for each, if only one of its trades has it."""

_DEEP = 200
"""Brackets from which on it is worth asking whether a line is nested too deep to be written."""

OLDER_NAMES = {
    "fx1": "spot",
    "strike": "strike",
    "drift": "drift",
    "sigma1": "vol",
    "v": "vol_of_vol",
    "ro": "rho",
    "maturity": "maturity",
    "t_steps": "steps",
    "trials": "paths",
    "warrantsNo": "warrants",
    "notionalPerWarr": "notional",
    "start_date": "start_date",
    "end_date": "end_date",
}
"""The older azfinsim's names of a trade's fields, and ours."""

_SET = re.compile(rb'SET\s+\S+\s+"([^"\\]*(?:\\.[^"\\]*)*)"', re.IGNORECASE | re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class RecordError(ValueError):
    """A line that is no record; the message says why, to follow ``line 17: ``."""


class UnknownForm(RecordError):
    """A line that is neither a JSON object nor a SET command."""


def parse_record(line: bytes) -> Fields:
    """Read one line, stripped of white space. Raises RecordError if it is no record."""
    if line.startswith(b"{"):
        fields = _from_json(line)
    elif line[:3].upper() == b"SET":
        fields = _from_dump(line)
    else:
        raise UnknownForm(
            f"begins with {_excerpt(line)!r}: must be a JSON object, or a SET "
            "command with a trade in XML"
        )
    if len(fields) > MAX_FIELDS:
        raise RecordError(f"has {len(fields)} fields: must be at most {MAX_FIELDS}")
    return fields


def _excerpt(line: bytes) -> str:
    """The first 20 characters of a line, none cut in half: each takes at most 4 bytes."""
    return line[:80].decode(errors="replace")[:20]


def _from_json(line: bytes) -> Fields:
    try:
        fields: Fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        fault = _number_beyond_json(line)
        raise RecordError(fault or f"is not JSON: {error.msg} at character {error.colno}") from None
    if line.count(b"[") + line.count(b"{") > _DEEP:
        try:
            # As deep as it will lie in a block. orjson reads deeper nesting than it writes.
            orjson.dumps([[fields]])
        except TypeError:
            raise RecordError("is nested too deep") from None
    return fields


def _number_beyond_json(line: bytes) -> str | None:
    """The field whose number JSON cannot tell, as pandas and others write NaN; None if none is."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            return f"{name[:40]} is {value}: must be a finite number"
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return f"{name[:40]} is a whole number beyond 64 bits: must be a smaller one"
    return None


def _from_dump(line: bytes) -> Fields:
    command = _SET.fullmatch(line)
    if command is None:
        raise RecordError('is not of the form SET KEY "XML"')
    attributes, text = _parse_xml(_unquoted(command[1]))
    read = {OLDER_NAMES.get(name, name): value for name, value in attributes.items()}
    read.pop("id", None)  # The element's text is the ID.
    fields: Fields = {"id": _typed(Kind.INTEGER, text)}
    for name, term in WARRANT.items():
        if name in read:
            fields[name] = _typed(term.kind, read.pop(name))
    return {**fields, **read}


def _unquoted(text: bytes) -> bytes:
    plain = text.replace(b'\\"', b'"')
    # What other escapes there are can only be told from the left.
    return _ESCAPE.sub(_unescaped, text) if b"\\" in plain else plain


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes.fromhex(code[1:].decode()) if len(code) == 3 else _ESCAPED.get(code, code)


def _parse_xml(data: bytes) -> tuple[dict[str, str], str]:
    """The attributes and the text of the one trade element."""
    trades: list[dict[str, str]] = []
    words: list[str] = []
    inside = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        inside = name == "trade"
        if inside:
            trades.append(attributes)

    def end(_name: str) -> None:
        nonlocal inside
        inside = False

    def refuse(*_: object) -> None:
        # Entities can only be declared there: without, none can grow or fetch anything.
        raise RecordError("has a document type declaration, which is not read")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: words.append(text) if inside else None
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise RecordError(f"is not XML: {expat.ErrorString(error.code)}") from None
    if len(trades) != 1:
        raise RecordError(f"has {len(trades)} trade elements: must be one")
    return trades[0], "".join(words).strip()


def _typed(kind: Kind, text: str) -> object:
    """The value that the text writes, or the text itself: the check of its column will tell."""
    if "_" in text or kind is Kind.DATE:  # Python's 1_000 is no number elsewhere.
        return text
    try:
        if kind is Kind.NUMBER:
            return float(text)
        number = int(text)
    except ValueError:
        return text
    return number if abs(number) < 2**63 else text
