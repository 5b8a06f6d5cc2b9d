"""The record of a load test: one JSON document, written by ``run`` and read by whoever reports.

Times are in seconds, those within the test from when its measurement began (warm-up is negative),
rates in trades a second. What is not known is None. Pure.
"""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

from engine.errors import UsageError

FORMAT = 1
"""Raised when an older azfinsim could not read a record."""

Column = list[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something took, over all calls; None where there were none."""

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    hdr: str = ""
    """The whole histogram, of microseconds: ``loadtest.latency.Latency.decode`` reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Something the test was to reach."""

    objective: str
    """As it was asked for: ``realtime.p99 < 20ms``."""
    measure: str
    measured: float | None
    """In ``unit``; None if there was nothing to be measured, which meets no objective."""
    limit: float
    unit: str
    """``s``, ``1/s``, or ``1`` for counts and shares."""
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the test was passed, and how far it can be trusted."""

    met: bool
    objectives: list[Objective] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ended_early: str | None = None
    """Why, if it was not run to its end."""
    invalid: str | None = None
    """Why, if what was missed says nothing of the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Realtime:
    """What came of realtime calls that were planned within the measurement."""

    planned: int
    sent: int
    late: int
    """Sent more than 2 ms after they were planned, for which the generator is to blame."""
    dropped: int
    """Not sent, since their deadline passed before they could be; ``Unsent`` among the errors."""
    priced: int
    errors: Mapping[str, int] = field(default_factory=dict)
    """Calls without a price, by the name of their error."""
    rate: float = 0.0
    """Prices a second, of those that came within the measurement."""
    generators: int = 1
    """Processes that sent."""
    latency: Times = field(default_factory=Times)
    """From when a call was planned to its answer; one that was not answered counts as its deadline
    at least."""
    queue: Times = field(default_factory=Times)
    """Of it: queued, by the server's clock, until its pricing began."""
    price: Times = field(default_factory=Times)
    """Of it: in the pricer."""
    return_: Times = field(default_factory=Times)
    """Of it: the rest, the ways there and back."""
    besides: Times = field(default_factory=Times)
    """Of it: all but the time in the pricer."""
    lateness: Times = field(default_factory=Times)
    """From when a call was planned to when the generator sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What came of the jobs beside."""

    submitted: int
    priced: int
    rejected: int
    dead: int
    expired: int
    cancelled: int
    """Still queued at the end."""
    seconds: float
    """In which ``rate`` was measured."""
    rate: float | None
    """Trades priced a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the test; the first may be the warm-up."""

    name: str
    from_: float
    to: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that struck."""

    kind: str
    what: str
    """It did, in words."""
    from_: float
    to: float
    """When it was healed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What was seen in each interval, as columns of equal length."""

    t: list[float] = field(default_factory=list)
    """The ends of the intervals."""
    planned_rate: Column = field(default_factory=list)
    sent_rate: Column = field(default_factory=list)
    answered_rate: Column = field(default_factory=list)
    """Prices a second."""
    error_rate: Column = field(default_factory=list)
    late_rate: Column = field(default_factory=list)
    p50: Column = field(default_factory=list)
    """Of the calls that were answered in the interval; likewise the next two."""
    p99: Column = field(default_factory=list)
    max: Column = field(default_factory=list)
    bulk_rate: Column = field(default_factory=list)
    backlog_realtime: Column = field(default_factory=list)
    """Entries queued or being priced."""
    backlog_high: Column = field(default_factory=list)
    backlog_bulk: Column = field(default_factory=list)
    pending: Column = field(default_factory=list)
    """Entries that consumers have, of all lanes."""
    consumers: Column = field(default_factory=list)
    slots: Column = field(default_factory=list)
    redis_cpu: Column = field(default_factory=list)
    """Cores; likewise the CPU of others."""
    redis_memory: Column = field(default_factory=list)
    """Bytes; likewise the memory of others."""
    redis_ops: Column = field(default_factory=list)
    """Commands a second."""
    consumer_cpu: Column = field(default_factory=list)
    """Of all that were started by the test."""
    consumer_memory: Column = field(default_factory=list)
    """Of the largest of them."""
    generator_cpu: Column = field(default_factory=list)
    waited: Column = field(default_factory=list)
    """Cores that these wanted and did not get, where all that was started here is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One rate that was tried in a search for the capacity."""

    rate: float
    met: bool
    p99: float | None
    limited_by: str
    """What was used up, ``""`` if nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The highest rate that met all objectives."""

    rate: float | None
    """None if none did."""
    unit: str
    limited_by: str
    """``machine``, ``slots``, ``consumers``, ``redis``, ``generator``, or ``nothing`` that was
    seen."""
    why: str
    """It is taken to be that, in words."""
    tries: list[Try] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server that the grid was on."""

    version: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One load test."""

    format: int
    azfinsim: str
    """Its version."""
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Measured, without warm-up."""
    scenario: Mapping[str, Any]
    """As it was run, in the words of its file."""
    machine: Mapping[str, Any]
    server: Server
    verdict: Verdict
    realtime: Realtime | None
    bulk: Bulk | None
    lost: int
    """Trades and calls without an outcome at the end."""
    phases: list[Phase]
    faults: list[Fault]
    series: Series
    capacity: Capacity | None = None
    fleet: Mapping[str, Any] | None = None

    def to_json(self) -> bytes:
        """The document."""
        return orjson.dumps(_plain(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, data: bytes) -> "Record":
        """Read one; raises ValueError that says what is wrong with it."""
        stored = orjson.loads(data)
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            found = stored.get("format") if isinstance(stored, dict) else None
            raise ValueError(f"its format is {found!r}: must be {FORMAT}")
        record: Record = _read(cls, stored, "")
        return record

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read one from a file; raises UsageError if that cannot be."""
        try:
            return cls.from_json(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is no record of a load test: {error}") from None


def _plain(value: Any) -> Any:
    """A value as JSON has it: ``from_`` is called ``from``, which Python would not allow."""
    if dataclasses.is_dataclass(value):
        return {
            f.name.rstrip("_"): _plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _read(wanted: Any, value: Any, path: str) -> Any:
    """A value as its type; raises ValueError that names the place in the document."""
    origin = get_origin(wanted)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _read_fields(wanted, value, path)
    if origin in (types.UnionType, Union):
        if value is None:
            return None
        [wanted] = [each for each in get_args(wanted) if each is not type(None)]
        return _read(wanted, value, path)
    if origin is list and isinstance(value, list):
        [each] = get_args(wanted)
        return [_read(each, item, f"{path}[{at}]") for at, item in enumerate(value)]
    if wanted is float and type(value) in (int, float):
        return float(value)
    plain = {list: list, Mapping: dict}.get(origin, origin) or wanted
    if type(value) is not plain:
        told = str(value)[:40]
        raise ValueError(f"{path or 'it'} is {told!r}: must be {_KINDS.get(plain, plain.__name__)}")
    return value


_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _read_fields(wanted: type[Any], value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{path or 'it'} must be an object")
    hints, read = get_type_hints(wanted), {}
    for each in dataclasses.fields(wanted):
        name = each.name.rstrip("_")
        place = f"{path}.{name}".lstrip(".")
        if name in value:
            read[each.name] = _read(hints[each.name], value[name], place)
        elif each.default is each.default_factory is dataclasses.MISSING:
            raise ValueError(f"{place} is missing")
    return wanted(**read)
