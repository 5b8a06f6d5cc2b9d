"""What travels for a realtime price: the call there, the reply back. Pure.

A call carries the terms of its trade, so that it needs no book and no job. Its entry has the fields
``call`` (the client's own name of it), ``client`` (whose reply stream is its reply address),
``trade`` and ``request`` (JSON), ``deadline`` (Unix ms by the server's clock) and ``traceparent``.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import orjson

from engine import keys
from engine.codec import loads
from engine.entry import Unreadable, read_spent
from engine.errors import UsageError
from engine.job import Lane
from engine.names import check_name
from engine.outcome import Outcome
from engine.pricing.figures import KNOWN
from engine.pricing.pricer import Request
from engine.trade import ID, WARRANT, Kind, Term

_SEED = Term(Kind.INTEGER, low=0)
_ACCURACY = Term(Kind.NUMBER, low=0, high=1, above=True)
_MOMENT = Term(Kind.INTEGER, low=0, high=2**53)

_OUTCOMES = [str(outcome) for outcome in Outcome]

_NUMBERS = frozenset(("attempts", "ms", *KNOWN))
"""What is a number of a result record, where it is there."""

MOST_TRACEPARENT = 128
"""Bytes; W3C's have 55."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call as a client sends it."""

    call: str
    """A name that no other call of this client has: letters, digits, dots, dashes, underscores."""
    client: str
    """The client's name, likewise, which no other client has."""
    trade: bytes
    """The terms and an ``id``, as a JSON object."""
    request: bytes
    """As ``encode_request`` writes it."""
    ttl_ms: int
    """From when the server has it to its deadline."""
    traceparent: str = ""
    """W3C trace context of the caller, if he has one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was delivered."""

    partition: int
    entry_id: str
    call: str
    client: str
    trade: Mapping[str, Any]
    """The terms as they were sent, with an ``id`` that may be one."""
    algorithm: str
    request: Request
    asked: bytes
    """Algorithm and request as they were sent: calls with the same can be priced together."""
    deadline_ms: int
    """Unix time by the server's clock."""
    traceparent: str = ""
    spent: int = 0
    """Attempts made under earlier entries."""
    deliveries: int = 1
    """How often this entry was delivered, this time included."""
    queued_ms: int = 0
    """When it was first queued: Unix time by the server's clock."""
    handed_back: bool = False
    """Whether somebody had it before and gave it back."""
    fault: str = ""
    """Why it cannot be priced, if it was not readable but for its reply address."""
    lapsed: int = 0
    """Deliveries of earlier entries that nobody has ended: whoever had them may have died of it."""

    @property
    def delivered(self) -> int:
        """How often it was given to somebody, this time included, and not given back."""
        return self.lapsed + self.deliveries

    @property
    def attempts(self) -> int:
        """How often it was begun, this time included."""
        return self.spent + self.delivered

    @property
    def lane(self) -> Lane:
        return Lane.REALTIME

    @property
    def stream(self) -> str:
        return keys.stream(self.partition, Lane.REALTIME)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call."""

    call: str
    record: Mapping[str, Any]
    """The result record, as ``engine.chunk`` makes it; ``outcome`` is always there."""
    consumer: str
    queued_ms: float
    """From when it was queued to when its pricing began, or it was found not to be priced."""

    def to_json(self) -> bytes:
        """The reply as it travels."""
        return orjson.dumps(
            {
                "call": self.call,
                "consumer": self.consumer,
                "queued_ms": self.queued_ms,
                "record": self.record,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read one; raises ValueError if it is none."""
        stored = loads(data)
        if not isinstance(stored, dict):
            raise ValueError("a reply is a JSON object")
        record, call, consumer = (stored.get(name) for name in ("record", "call", "consumer"))
        if not isinstance(record, dict) or not ID.allows(record.get("id")):
            raise ValueError(f"a reply has the record {_shown(record)}")
        if record.get("outcome") not in _OUTCOMES:
            raise ValueError(f"a reply has the outcome {_shown(record.get('outcome'))}")
        if not isinstance(call, str) or not isinstance(consumer, str):
            raise ValueError(f"a reply to {_shown(call)} by {_shown(consumer)}")
        queued_ms: Any = stored.get("queued_ms")
        numbers = [(name, record[name]) for name in _NUMBERS.intersection(record)]
        for name, value in (*numbers, ("queued_ms", queued_ms)):
            # As JSON has them: true is none.
            if type(value) not in (int, float):
                raise ValueError(f"a reply has {name} {_shown(value)}")
        return cls(call, record, consumer, queued_ms)


@dataclass(frozen=True, slots=True)
class Moved:
    """That a consumer has given a call back, which is in the stream under another name now."""

    call: str
    was: str
    """The entry that it was."""
    entry_id: str
    """The one that it is."""


def encode_request(algorithm: str, request: Request) -> bytes:
    """What is asked of the pricer, as it travels.

    Raises TypeError if an option cannot be told in JSON.
    """
    return orjson.dumps(
        {
            "algorithm": algorithm,
            "seed": request.seed,
            "paths": request.paths,
            "accuracy": request.accuracy,
            "options": dict(request.options),
        }
    )


# The same for all calls of most clients, and then the same object, by which calls that may be
# priced together are found.
@lru_cache(maxsize=64)
def decode_request(data: bytes) -> tuple[str, Request]:
    """Algorithm and request; raises ValueError that says which field is bad."""
    stored = _object("request", data)
    algorithm, options = stored.get("algorithm"), stored.get("options", {})
    if not isinstance(algorithm, str):
        raise ValueError(f"algorithm is {_shown(algorithm)}: must be a name")
    if not isinstance(options, dict):
        raise ValueError(f"options is {_shown(options)}: must be a JSON object")
    rules = {"seed": _SEED, "paths": WARRANT["paths"], "accuracy": _ACCURACY}
    given = {name: stored[name] for name in rules if stored.get(name) is not None}
    for name, value in given.items():
        if not rules[name].allows(value):
            raise ValueError(f"{name} is {_shown(value)}: must be {rules[name].rule}")
    return algorithm, Request(**given, options=options)


@dataclass(slots=True)
class _Parts:
    """The fields of a call that may be missing from one that can still be answered."""

    trade: Mapping[str, Any] = field(default_factory=lambda: {"id": 0})
    algorithm: str = ""
    request: Request = field(default_factory=Request)
    deadline_ms: int = 0
    traceparent: str = ""


def read_call(
    partition: int, entry_id: bytes, fields: Mapping[bytes, bytes], deliveries: int = 1
) -> Call | Unreadable:
    """Read a message; whatever its bytes are, the answer is a value.

    One that says at least whom to answer becomes a call, with a ``fault`` if that is all.
    """
    name = entry_id.decode()
    try:
        call, client = (_name(fields, part) for part in ("call", "client"))
    except ValueError as error:
        return Unreadable(partition, Lane.REALTIME, name, str(error), fields)
    parts, fault = _Parts(), ""
    spent = lapsed = 0
    queued_ms = int(name.partition("-")[0])
    try:
        spent = read_spent(fields.get(b"spent", b"0"))
        lapsed = read_spent(fields.get(b"lapsed", b"0"))
        if b"queued" in fields:
            queued_ms = _moment(fields, "queued")
        _read_parts(fields, parts)
    except ValueError as error:
        fault = str(error)
    return Call(
        partition,
        name,
        call,
        client,
        parts.trade,
        parts.algorithm,
        parts.request,
        fields.get(b"request", b""),
        parts.deadline_ms,
        parts.traceparent,
        spent,
        deliveries,
        queued_ms,
        b"queued" in fields,
        fault,
        lapsed,
    )


def _name(fields: Mapping[bytes, bytes], part: str) -> str:
    """A name that may become part of a key; raises ValueError."""
    if (value := fields.get(part.encode())) is None:
        raise ValueError(f"it has no field {part}")
    try:
        return check_name(part, value.decode())
    except UsageError as error:
        raise ValueError(str(error)) from None


def _read_parts(fields: Mapping[bytes, bytes], parts: _Parts) -> None:
    """Read what a call is about; raises ValueError at the first field that is bad."""
    parts.trade = _trade(_field(fields, "trade"))
    parts.algorithm, parts.request = decode_request(_field(fields, "request"))
    parts.deadline_ms = _moment(fields, "deadline")
    traceparent = fields.get(b"traceparent", b"")
    if len(traceparent) > MOST_TRACEPARENT:
        raise ValueError(f"traceparent has {len(traceparent)} bytes: at most {MOST_TRACEPARENT}")
    parts.traceparent = traceparent.decode(errors="replace")


def _field(fields: Mapping[bytes, bytes], name: str) -> bytes:
    if (value := fields.get(name.encode())) is None:
        raise ValueError(f"{name} is missing")
    return value


def _moment(fields: Mapping[bytes, bytes], name: str) -> int:
    """Unix time in ms."""
    moment = int(_field(fields, name))
    if not _MOMENT.allows(moment):
        raise ValueError(f"{name} is {_shown(moment)}: must be {_MOMENT.rule}")
    return moment


def _trade(data: bytes) -> Mapping[str, Any]:
    trade = _object("trade", data)
    if not ID.allows(trade.get("id")):
        raise ValueError(f"id is {_shown(trade.get('id'))}: must be {ID.rule}")
    return trade


def _object(name: str, data: bytes) -> dict[str, Any]:
    """A JSON object, its values read as those of a block are, so that prices have the same bits."""
    try:
        stored = loads(data)
    except ValueError as error:
        raise ValueError(f"{name} is no JSON: {error}") from None
    if not isinstance(stored, dict):
        raise ValueError(f"{name} is {_shown(stored)}: must be a JSON object")
    return stored


def _shown(value: object) -> str:
    # Not repr: a value as read may be nested deeper than Python follows, or fill many megabytes.
    return reprlib.repr(value)[:60]
