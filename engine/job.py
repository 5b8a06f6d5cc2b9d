"""What a job asks for, and the state it is in. Pure."""

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

import orjson

from engine.outcome import Counts


class Lane(StrEnum):
    """A priority; a higher lane is always served first."""

    REALTIME = "realtime"
    HIGH = "high"
    BULK = "bulk"


class State(StrEnum):
    """Where a job stands."""

    SUBMITTING = "submitting"
    """Its trades are being queued, or whoever did so has died: ``job resume`` takes it up."""
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """One pricing run; immutable, and stored once with all that its results have in common."""

    name: str
    algorithm: str
    book: str = "default"
    trades: str | None = None
    """``FIRST:COUNT``, or None for all that the book held when it was submitted."""
    lane: Lane = Lane.BULK
    seed: int = 0
    paths: int | None = None
    chunk: int = 100
    failure: float = 0.0
    """Probability with which a trade fails on purpose."""
    options: dict[str, Any] = field(default_factory=dict)
    """What only some pricers know."""
    pricer_version: str = ""
    azfinsim_version: str = ""
    submitted_at: float = 0.0
    """Unix time in seconds, by the server's clock."""
    expires_at: int = 0
    """Unix time in seconds at which the server forgets the job and its results."""

    def to_json(self) -> bytes:
        """The job as it is stored."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a stored job; fields of a later version are passed over.

        Raises ValueError if it is not one.
        """
        stored = orjson.loads(data)
        if not isinstance(stored, dict):
            raise ValueError("a job is stored as a JSON object")
        known = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        for name, types in _TYPES.items():
            if not isinstance(known.get(name), types) or isinstance(known.get(name), bool):
                raise ValueError(f"a stored job has {name} {known.get(name)!r:.60}")
        return cls(**{**known, "lane": Lane(known["lane"])})


_TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "algorithm": (str,),
    "book": (str,),
    "lane": (str,),
    "seed": (int,),
    "paths": (int, type(None)),
    "chunk": (int,),
    "trades": (str, type(None)),
    "failure": (int, float),
    "options": (dict,),
    "submitted_at": (int, float),
    "expires_at": (int,),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, read at one moment."""

    job: Job
    total: int | None
    """How many trades it was given; None as long as not all of them have been queued."""
    cancelled: bool
    """Whether somebody has cancelled it, wholly or, having died over it, in part."""
    counts: Counts
    now: float
    """Unix time in seconds, by the server's clock."""
    settled_at: float
    """Unix time in seconds of the last settle, 0 if there was none."""

    @property
    def complete(self) -> bool:
        """Whether all its trades are queued or have ended, as far as the server remembers."""
        return self.total is not None and self.counts.submitted >= self.total

    @property
    def state(self) -> State:
        """The state, by the audit: done when every trade it was given has its outcome."""
        if self.complete and not self.counts.in_flight and not self.counts.cancelled:
            return State.DONE
        if self.cancelled:
            return State.CANCELLED
        # While a job is resumed, its unfinished trades are not among those submitted.
        return State.RUNNING if self.complete else State.SUBMITTING

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in (State.DONE, State.CANCELLED) and not self.counts.in_flight

    @property
    def well(self) -> bool:
        """Whether every submitted trade was priced."""
        return self.state is State.DONE and self.counts.priced == self.counts.submitted

    @property
    def seconds(self) -> float:
        """From submission to the last settle, or to now while it runs."""
        end = max(self.settled_at, self.job.submitted_at) if self.ended else self.now
        return max(end - self.job.submitted_at, 0.0)

    def report(self) -> dict[str, object]:
        """The fields that ``job status``, ``job wait`` and ``demo`` print."""
        counts = asdict(self.counts)
        settled = self.counts.ended - self.counts.cancelled
        return {
            "job": self.job.name,
            "state": str(self.state),
            **counts,
            "in_flight": self.counts.in_flight,
            "seconds": round(self.seconds, 3),
            "trades_per_second": round(settled / self.seconds, 1) if self.seconds else 0.0,
        }
