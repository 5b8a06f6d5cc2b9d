"""What a job asks for, and the state it is in. Pure."""

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

import orjson

from engine.codec import loads
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
    WAITING = "waiting"
    """Its trades are held back until another job has ended."""
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
    extent: str | None = None
    """``FIRST:COUNT`` from the first to the last of these, told by whoever submits it: what the
    book gets later is not the job's."""
    lane: Lane = Lane.BULK
    seed: int = 0
    paths: int | None = None
    """In place of the trades' own; with ``accuracy``, the most that a trade may take."""
    accuracy: float | None = None
    """Relative standard error of the PV at which a trade has enough paths."""
    chunk: int = 100
    trade_timeout: float | None = None
    """Seconds after which a trade that is still being priced is given up; None: never."""
    failure: float = 0.0
    """Probability with which a trade fails on purpose."""
    options: dict[str, Any] = field(default_factory=dict)
    """What only some pricers know."""
    after: str | None = None
    """The job that must have ended well before this one runs."""
    after_any: bool = False
    """It is enough that ``after`` has ended, in whatever way."""
    by: float | None = None
    """Unix time in seconds at which it is to be done; it goes on when that has passed."""
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
        stored = loads(data)
        if not isinstance(stored, dict):
            raise ValueError("a job is stored as a JSON object")
        known = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        if not isinstance(known.get("after_any", False), bool):
            raise ValueError(f"a stored job has after_any {known['after_any']!r:.60}")
        for name, types in _TYPES.items():
            if not isinstance(known.get(name), types) or isinstance(known.get(name), bool):
                raise ValueError(f"a stored job has {name} {known.get(name)!r:.60}")
        if known["chunk"] < 1:
            raise ValueError(f"a stored job has chunk {known['chunk']}")
        return cls(**{**known, "lane": Lane(known["lane"])})


_TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "algorithm": (str,),
    "book": (str,),
    "lane": (str,),
    "seed": (int,),
    "paths": (int, type(None)),
    "accuracy": (int, float, type(None)),
    "chunk": (int,),
    "trades": (str, type(None)),
    "extent": (str, type(None)),
    "failure": (int, float),
    "trade_timeout": (int, float, type(None)),
    "options": (dict,),
    "after": (str, type(None)),
    "by": (int, float, type(None)),
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
    released_at: float | None = None
    """Unix time in seconds since which a job that follows another need not wait for it."""
    cause: str | None = None
    """Why it was cancelled, if it was not by hand."""

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
        if not self.complete:
            # While a job is resumed, its unfinished trades are not among those submitted.
            return State.SUBMITTING
        return State.WAITING if self.held_back else State.RUNNING

    @property
    def held_back(self) -> bool:
        """Whether it follows another job, and nobody has found yet that it may run."""
        return self.job.after is not None and self.released_at is None

    @property
    def reason(self) -> str | None:
        """Why it waits, or was cancelled, where there is more to say of it."""
        if self.state is State.WAITING:
            return f"waits for job {self.job.after} to end{'' if self.job.after_any else ' well'}"
        return self.cause if self.state is State.CANCELLED else None

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
        """From submission, or release, to the last settle, or to now while it runs or waits."""
        begin = self.released_at or self.job.submitted_at
        end = max(self.settled_at, begin) if self.ended else self.now
        return max(end - begin, 0.0)

    @property
    def expected_at(self) -> float | None:
        """Unix time in seconds at which it is done if it goes on as it did so far.

        None while nothing can be told of that, or when it has ended.
        """
        settled = self.counts.ended - self.counts.cancelled
        if self.state is not State.RUNNING or not settled:
            return None
        return self.now + self.counts.in_flight * self.seconds / settled

    def report(self) -> dict[str, object]:
        """The fields that ``job status``, ``job wait`` and ``demo`` print.

        ``after``, ``reason``, ``by`` and ``expected`` are among them where there is something to
        say; times are ISO 8601, in UTC.
        """
        counts = asdict(self.counts)
        more = {"after": self.job.after, "reason": self.reason}
        if self.job.by is not None:
            more |= {"by": iso(self.job.by), "expected": iso(self.expected_at)}
        settled = self.counts.ended - self.counts.cancelled
        return {
            "job": self.job.name,
            "state": str(self.state),
            **counts,
            "in_flight": self.counts.in_flight,
            "seconds": round(self.seconds, 3),
            "trades_per_second": round(settled / self.seconds, 1) if self.seconds else 0.0,
            **{name: value for name, value in more.items() if value is not None},
        }


def iso(moment: float | None) -> str | None:
    """A Unix time in seconds as ISO 8601 in UTC; None if there is none, or no calendar has it."""
    try:
        at = datetime.fromtimestamp(moment, UTC) if moment is not None else None
    except (ValueError, OverflowError, OSError):
        return None
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None else None
