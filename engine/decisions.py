"""What to do with an entry that was not settled by whoever had it, and with a job that waits.

Pure.
"""

from dataclasses import dataclass
from enum import Enum, auto

from engine.ids import Ids, format_ids
from engine.job import Job, Progress, State


class Verdict(Enum):
    """What becomes of an entry that is delivered again."""

    PRICE = auto()
    SPLIT = auto()
    """Its attempts are used up: find the trade to blame among its halves."""
    BURY = auto()
    """A single trade has used up its attempts: it is dead."""


def judge(*, attempts: int, trades: int, limit: int) -> Verdict:
    """Decide on an entry that is about to be priced for the ``attempts``-th time.

    ``limit`` is the number of attempts a chunk or a trade has.
    """
    if attempts <= limit:
        return Verdict.PRICE
    return Verdict.SPLIT if trades > 1 else Verdict.BURY


def halves(ids: Ids) -> list[str]:
    """The IDs of a chunk of two or more as two, written as in an entry."""
    middle = len(ids) // 2
    return [format_ids(ids[:middle]), format_ids(ids[middle:])]


class Turn(Enum):
    """What becomes of a job that waits for another."""

    WAIT = auto()
    RELEASE = auto()


@dataclass(frozen=True, slots=True)
class Cancel:
    """It must not run any more."""

    cause: str


def follow(job: Job, first: Progress | None) -> Turn | Cancel:
    """Decide on a job that waits for ``job.after``.

    ``first`` is how far that one is, None if the server has forgotten it or it cannot be read.
    """
    # One that is younger only has its name: the job that was meant has expired. Without this, two
    # could wait for each other.
    if first is None or first.job.submitted_at > job.submitted_at:
        if job.after_any:
            return Turn.RELEASE
        return Cancel(f"how job {job.after} ended is not known any more")
    if not first.ended:
        return Turn.WAIT
    if job.after_any or first.well:
        return Turn.RELEASE
    return Cancel(f"job {job.after} {_ending(first)}")


def _ending(progress: Progress) -> str:
    """How a job ended that did not end well."""
    if progress.state is State.CANCELLED:
        return "was cancelled"
    counts = progress.counts
    short = {"dead": counts.dead, "rejected": counts.rejected, "expired": counts.expired}
    return "ended with " + ", ".join(f"{n:,} {what}" for what, n in short.items() if n)
