"""What is seen of a grid at one moment, and what two moments tell of its pace. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.job import Lane, Progress, State, iso
from engine.roster import Presence
from producer.outlook import outlook


@dataclass(frozen=True, slots=True)
class Queue:
    """One lane; in entries, which are chunks of a job or single calls."""

    waiting: int
    in_flight: int
    """Those that consumers have."""
    oldest: float
    """Seconds since the oldest of both was queued."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A consumer."""

    presence: Presence
    silent: float | None
    """Seconds since it has spoken; None where the user may not ask."""


@dataclass(frozen=True, slots=True)
class Server:
    """Sums over the server's nodes."""

    version: str
    """``Valkey 9.1.0``, or ``Redis 7.4.2``."""
    nodes: int
    memory: int
    """Bytes."""
    memory_limit: int | None
    """Bytes; None if there is none but the machine's."""
    clients: int
    commands_per_second: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A grid at one moment."""

    at: float
    """Unix time in seconds, by the server's clock."""
    partitions: int
    queues: Mapping[Lane, Queue]
    calls: int | None
    """Realtime calls that were ever queued; None where the server does not count them."""
    jobs: Sequence[Progress]
    """All that have not ended, and then some that have, latest first."""
    letters: Mapping[str, int]
    """Dead letters by job, of these jobs."""
    consumers: Sequence[Seen]
    server: Server | None = None
    """None if the user may not ask."""
    unreadable: Sequence[str] = ()
    """What is wrong with jobs that cannot be read."""
    over: Sequence[Progress] = ()
    """Other jobs that have ended; of those that have of late, the pace is to know."""

    def expected_at(self, seen: Progress) -> float | None:
        """Unix time in seconds at which one of the jobs is done, as ``job status`` tells it."""
        if seen.state is not State.RUNNING:
            return None
        return outlook(seen, [each.presence for each in self.consumers], self.jobs).expected_at


@dataclass(frozen=True, slots=True)
class Pace:
    """What was done a second between two samples; nothing is said where nothing can be told."""

    lanes: Mapping[Lane, float] = field(default_factory=dict)
    """Trades settled, or calls ended."""
    jobs: Mapping[str, float] = field(default_factory=dict)
    """Trades settled."""


def pace(before: Sample, now: Sample) -> Pace:
    """What was done a second between two samples of the same grid."""
    seconds = now.at - before.at
    if seconds <= 0:
        return Pace()
    known = {seen.job.name: seen for seen in before.jobs}
    jobs: dict[str, float] = {}
    lanes: dict[Lane, float] = dict.fromkeys((Lane.HIGH, Lane.BULK), 0.0)
    for seen in (*now.jobs, *now.over):
        done = _settled_since(before.at, known.get(seen.job.name), seen)
        if done is not None:
            jobs[seen.job.name] = done / seconds
            lanes[seen.job.lane] = lanes.get(seen.job.lane, 0.0) + done / seconds
    if now.calls is not None and before.calls is not None:
        ended = now.calls - before.calls - (_inside(now) - _inside(before))
        # A server that has lost its data counts from 0 again.
        lanes[Lane.REALTIME] = max(ended, 0) / seconds
    return Pace(lanes, jobs)


def _settled_since(moment: float, before: Progress | None, now: Progress) -> int | None:
    """Trades of a job settled since a moment; None if that cannot be told."""
    settled = _settled(now)
    if before is not None and before.job == now.job:
        # Of one that is resumed from lost data there may be fewer.
        return max(settled - _settled(before), 0)
    return settled if now.job.submitted_at >= moment else None


def _settled(seen: Progress) -> int:
    return seen.counts.ended - seen.counts.cancelled


def _inside(sample: Sample) -> int:
    queue = sample.queues[Lane.REALTIME]
    return queue.waiting + queue.in_flight


def report(sample: Sample, pace: Pace) -> dict[str, Any]:
    """The object that ``--json`` prints; null for what cannot be told."""
    lanes = [
        {"lane": str(lane), **asdict(queue), "per_second": _rounded(pace.lanes.get(lane))}
        for lane, queue in sample.queues.items()
    ]
    return {
        "at": iso(sample.at),
        "partitions": sample.partitions,
        "server": asdict(sample.server) if sample.server is not None else None,
        "lanes": lanes,
        "jobs": [_job(seen, sample, pace) for seen in sample.jobs],
        "consumers": [
            {**asdict(each.presence), "silent": _rounded(each.silent)} for each in sample.consumers
        ],
        "dead_letters": dict(sample.letters),
    }


def _job(seen: Progress, sample: Sample, pace: Pace) -> dict[str, object]:
    return {
        **seen.report(),
        "algorithm": seen.job.algorithm,
        "lane": str(seen.job.lane),
        "expected": iso(sample.expected_at(seen)),
        "per_second": _rounded(pace.jobs.get(seen.job.name)),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


def order(jobs: Sequence[Progress]) -> list[Progress]:
    """Those that run first, then those that wait or are being queued, then those that have ended;
    each the latest first."""
    ranks = {State.RUNNING: 0, State.SUBMITTING: 1, State.WAITING: 1}
    return sorted(
        jobs,
        key=lambda seen: (2 if seen.ended else ranks.get(seen.state, 0), -seen.job.submitted_at),
    )
