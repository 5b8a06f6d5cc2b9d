"""Who serves a job, how fast, and when it will be done by that. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.job import Job, Lane, Progress, State
from engine.roster import Presence, wanted

BEAT = 2.5
"""Seconds from one announcement of a consumer to the next, which is what its rate is taken over."""

NO_CONSUMER = "no consumer is running: start one with `azfinsim consume`"

_RANK = {lane: rank for rank, lane in enumerate(Lane)}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the consumers that live mean for a job."""

    living: int
    serving: int
    """Those of them that may price it."""
    rate: float | None
    """Trades a second that these have settled of late, of whatever job; None if too few to tell."""
    expected_at: float | None
    """Unix time in seconds at which it is done if they go on so; None if that cannot be told."""

    @property
    def lonely(self) -> str | None:
        """That nobody serves it, in words; None if somebody does."""
        if not self.living:
            return NO_CONSUMER
        if not self.serving:
            return (
                f"none of the consumers that run ({self.living:,}) serves its lane and algorithm: "
                "start one with `azfinsim consume`"
            )
        return None


def outlook(seen: Progress, consumers: Sequence[Presence], jobs: Sequence[Progress]) -> Outlook:
    """How a job stands among ``consumers``, those that live, and ``jobs``, itself among them.

    What is queued before it, for whoever serves it, counts as what it has left itself, each trade
    as long as another. A rate of a chunk or less in a beat is chance: then its average since it was
    submitted must do.
    """
    serving = [each for each in consumers if serves(each, seen.job)]
    rate = sum(each.rate or 0.0 for each in serving)
    told = rate if rate * BEAT > seen.job.chunk else None
    expected = None
    if serving and seen.state is State.RUNNING:
        before = [
            other
            for other in jobs
            if _before(other, seen) and any(serves(each, other.job) for each in serving)
        ]
        left = sum(other.counts.in_flight for other in [*before, seen])
        expected = seen.now + left / told if told is not None else seen.expected_at
    return Outlook(len(consumers), len(serving), told, expected)


def serves(consumer: Presence, job: Job) -> bool:
    """Whether a consumer may price a job."""
    return consumer.may_price(wanted(job.algorithm, job.pricer_version), job.lane)


def unserved(jobs: Sequence[Progress], consumers: Sequence[Presence]) -> list[str]:
    """The jobs that have not ended and that nobody serves, by name."""
    return [
        seen.job.name
        for seen in jobs
        if not seen.ended and not any(serves(each, seen.job) for each in consumers)
    ]


def _before(other: Progress, seen: Progress) -> bool:
    """Whether a job's entries are taken before another's."""
    mine = (_RANK[seen.job.lane], seen.job.submitted_at)
    return other.state is State.RUNNING and (_RANK[other.job.lane], other.job.submitted_at) < mine
