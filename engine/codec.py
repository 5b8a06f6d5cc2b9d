"""The bytes of a block of trades and of a result record.

A block is a table, one line each: the names, then a row a trade; all lines are JSON arrays:

    ["id","spot","strike"]
    [1200,0.84,0.79]
    [1201,0.91,0.80]

A person can read it, the names stand once, and it decodes by column. ``null`` is a field that the
trade lacks. Results are JSON objects, one line each, so that settling can append and ``job
results`` can pass them on as they are. Pure.

``loads`` is how all that others may have written is read as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.trade import ID, RawColumns

MOST_LINES = 1000
"""Of a damaged block that are looked at: ten times as many as it has if it is whole."""

_DEEP = 200
"""Brackets from which on it is worth asking whether a value is nested too deep."""


def loads(data: bytes) -> Any:
    """Read JSON whose writer is not known.

    Raises ValueError if it is none, or is nested so deep that it could not be written again:
    orjson reads a thousand levels, writes a quarter of that, and ``repr`` fails on the rest.
    """
    value = orjson.loads(data)
    if data.count(b"[") + data.count(b"{") > _DEEP:
        try:
            # As deep as it will lie in a block or a record.
            orjson.dumps([[value]])
        except TypeError:
            raise ValueError("it is nested too deep") from None
    return value


@dataclass(frozen=True, slots=True)
class Block:
    """The trades of a block as read, and the lines that could not be."""

    ids: Sequence[int]
    columns: RawColumns
    """Without ``id``; each of the length of ``ids``."""
    unreadable: Sequence[str] = ()
    """What is wrong with each line that is no trade, ``line 7: ...``."""


def encode_block(ids: Sequence[int], columns: RawColumns) -> bytes:
    """Write trades as a table; ``None`` stands for a field that a trade lacks."""
    header = orjson.dumps(["id", *columns])
    rows = map(orjson.dumps, zip(ids, *columns.values(), strict=True))
    return b"\n".join([header, *rows])


def decode_block(data: bytes) -> Block:
    """Read a table of trades; what cannot be read is told in ``unreadable``, never raised."""
    try:
        # A line break can only stand between rows: inside a JSON string it is written \n.
        header, *rows = loads(b"[" + data.replace(b"\n", b",") + b"]")
        ids, *columns = zip(*rows, strict=True) if rows else ((), *((),) * (len(header) - 1))
        if _sound(header, ids) and len(columns) == len(header) - 1:
            return Block(ids, dict(zip(header[1:], columns, strict=True)))
    except (ValueError, TypeError):
        pass
    return _decode_by_line(data)


def _sound(header: object, ids: Sequence[object]) -> bool:
    return _is_header(header) and ID.column(ids) is not None and len(set(ids)) == len(ids)


def _is_header(header: object) -> bool:
    return (
        isinstance(header, list)
        and header[:1] == ["id"]
        and all(isinstance(name, str) for name in header)
        and len(set(header)) == len(header)
    )


def _decode_by_line(data: bytes) -> Block:
    """The slow way, for a block that somebody has damaged: save every line that is whole."""
    first, *lines = data.split(b"\n")
    header = _loads(first)
    if not _is_header(header):
        return Block((), {}, ("line 1: is not the list of names, which begins with id",))
    rows: dict[int, list[Any]] = {}
    unreadable = []
    for number, line in enumerate(lines[:MOST_LINES], start=2):
        row = _loads(line)
        if not isinstance(row, list):
            unreadable.append(f"line {number}: is not a JSON array")
        elif len(row) != len(header):
            unreadable.append(f"line {number}: has {len(row)} values for {len(header)} names")
        elif not ID.allows(row[0]):
            unreadable.append(f"line {number}: id must be {ID.rule}")
        elif row[0] in rows:
            unreadable.append(f"line {number}: trade {row[0]} stands twice")
        else:
            rows[row[0]] = row
    if len(lines) > MOST_LINES:
        unreadable.append(f"line {MOST_LINES + 2} and what follows: are more than a block has")
    columns = {name: [row[at] for row in rows.values()] for at, name in enumerate(header)}
    return Block(columns.pop("id"), columns, tuple(unreadable))


def _loads(line: bytes) -> Any:
    try:
        return loads(line)
    except ValueError:
        return None


def encode_records(records: Iterable[Mapping[str, object]]) -> bytes:
    """Write result records, one JSON object a line, without a last line break."""
    return b"\n".join(map(orjson.dumps, records))


def decode_records(data: bytes) -> list[dict[str, Any]]:
    """Read result records.

    Raises ValueError if a line is no JSON object with an integer ``id``.
    """
    records: list[dict[str, Any]] = loads(b"[" + data.replace(b"\n", b",") + b"]")
    for record in records:
        if not isinstance(record, dict) or not ID.allows(record.get("id")):
            raise ValueError(f"not a result record: {str(record)[:60]}")
    return records
