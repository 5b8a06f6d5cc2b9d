"""What came of the calls of one interval, as generators count and tell it. Pure.

A generator keeps no call that has ended: it adds it to its interval, and sends that off when it is
over. Whatever a generator has told counts, even if it dies later.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from loadtest.latency import Latency

LATE = 0.002
"""Seconds after its plan from which on a call was sent late."""

COUNTS = ("planned", "sent", "late", "dropped", "priced", "lost")
TIMES = ("latency", "queue", "price", "return_", "besides", "lateness")


@dataclass(slots=True)
class Tally:
    """Sums of one interval, or of several."""

    planned: int = 0
    sent: int = 0
    late: int = 0
    dropped: int = 0
    priced: int = 0
    lost: int = 0
    """Calls that have neither an answer nor been taken back; known at the end."""
    errors: Counter[str] = field(default_factory=Counter)
    latency: Latency = field(default_factory=Latency)
    queue: Latency = field(default_factory=Latency)
    price: Latency = field(default_factory=Latency)
    return_: Latency = field(default_factory=Latency)
    besides: Latency = field(default_factory=Latency)
    lateness: Latency = field(default_factory=Latency)

    def picked_up(self, lateness: float) -> None:
        """Note a call that its sender has come to, so many seconds after its plan."""
        self.planned += 1
        self.late += lateness > LATE
        self.lateness.record(lateness)

    def answered(self, seconds: float, queued: float, priced: float) -> None:
        """Note a price, so many seconds after its plan, and its parts."""
        self.priced += 1
        self.latency.record(seconds)
        self.queue.record(queued)
        self.price.record(priced)
        self.return_.record(seconds - queued - priced)
        self.besides.record(seconds - priced)

    def failed(self, error: str, seconds: float) -> None:
        """Note a call that has ended otherwise, and how long its caller has waited."""
        self.errors[error] += 1
        self.latency.record(seconds)

    def add(self, other: "Tally") -> None:
        """Take in another one."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.errors.update(other.errors)
        for name in TIMES:
            getattr(self, name).add(getattr(other, name))

    def to_json(self) -> dict[str, Any]:
        """As it travels; what is empty is left out."""
        told: dict[str, Any] = {name: count for name in COUNTS if (count := getattr(self, name))}
        if self.errors:
            told["errors"] = dict(self.errors)
        for name in TIMES:
            if len(times := getattr(self, name)):
                told[name] = times.encode().decode("ascii")
        return told

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read one; raises ValueError if it is none."""
        read = cls()
        for name in COUNTS:
            setattr(read, name, _whole(told.get(name, 0)))
        errors = told.get("errors", {})
        if not isinstance(errors, dict):
            raise ValueError(f"errors are {errors!r}")
        read.errors.update({str(name): _whole(count) for name, count in errors.items()})
        for name in TIMES:
            if name in told:
                setattr(read, name, Latency.decode(str(told[name]).encode()))
        return read


@dataclass(frozen=True, slots=True)
class News:
    """What a generator tells at the end of each interval."""

    generator: str
    interval: int
    """Its number; those of the warm-up are below 0."""
    tally: Tally
    cpu: float
    """Cores that its process has used."""
    ended: bool = False
    """Whether this is its last word."""

    def to_json(self) -> bytes:
        """As it travels."""
        return orjson.dumps(
            {
                "generator": self.generator,
                "interval": self.interval,
                "tally": self.tally.to_json(),
                "cpu": self.cpu,
                "ended": self.ended,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read one; raises ValueError if it is none."""
        told = orjson.loads(data)
        if not isinstance(told, dict) or not isinstance(told.get("tally"), dict):
            raise ValueError(f"no news of a generator: {data[:60]!r}")
        return cls(
            str(told.get("generator")),
            int(told.get("interval", 0)),
            Tally.from_json(told["tally"]),
            float(told.get("cpu", 0.0)),
            bool(told.get("ended")),
        )


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of several."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
