"""What a crew is to be, and what it takes to make it so. Pure.

A crew is the consumers that were started under one name. Its members are numbered; who brings it to
a size takes the lowest numbers that were never given. So two who do it at once, or one who does it
again after being cut off in the middle, give the same numbers, and Batch takes each only once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice

from engine.errors import UsageError
from infra.pool.consumers import Count

# Batch takes no dots and no upper case beside lower, and adds a generation and an ID to it.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

MOST = 10_000
"""Consumers in a crew: listing more takes Batch too long to watch them."""

FULL = 5_000
"""Consumers that a Batch job ever had, after which the next ones come into another: who adds some
lists all of them, a thousand a request."""


class PoolLane(StrEnum):
    """Which pool a crew is for."""

    BULK = "bulk"
    """Serves jobs, and realtime trades before them: these borrow what is bought for the night."""
    REALTIME = "realtime"
    """Serves realtime trades alone, so that somebody is there for them when no job is."""

    @property
    def lanes(self) -> str:
        """Which lanes its consumers serve, as ``azfinsim consume --lane`` takes them."""
        return "realtime,high,bulk" if self is PoolLane.BULK else "realtime"


@dataclass(frozen=True, slots=True)
class Order:
    """What the members of a crew are to be; times in seconds."""

    name: str
    lane: PoolLane
    slots: int | None = None
    """None for as many as the cores that it may use."""
    exit_when_idle: float | None = None
    """None to stay."""
    at_most: float | None = None
    """None for as long as Batch lets a task live, 180 days. Not for processes of this machine."""

    def arguments(self) -> list[str]:
        """Of ``azfinsim consume``. None of them is a secret: others can read them."""
        slots = ["--slots", str(self.slots)] if self.slots is not None else []
        idle = self.exit_when_idle
        leave = ["--exit-when-idle", f"{idle:g}"] if idle is not None else []
        return ["--lane", self.lane.lanes, *slots, *leave, "--log-format", "json"]


class State(StrEnum):
    """Of a member."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Member:
    """One consumer of a crew, as whatever runs it sees it."""

    name: str
    state: State
    failure: str = ""
    """Why it ended other than well, in Batch's words."""
    requeued: int = 0
    leaving: bool = False
    """Whether it was told to leave."""
    generation: int = 0
    """Of the Batch job that it is a task of; names are given anew in each."""

    @property
    def living(self) -> bool:
        return self.state is not State.COMPLETED and not self.leaving


@dataclass(frozen=True, slots=True)
class Change:
    """What brings a crew to a size."""

    add: Sequence[str] = ()
    end: Sequence[Member] = ()
    """Those that no machine has taken yet."""
    dismiss: Sequence[Member] = ()
    """Those that run."""

    @property
    def by(self) -> int:
        """How many more there will be; below zero for fewer."""
        return len(self.add) - len(self.end) - len(self.dismiss)


def check_crew(name: str) -> str:
    """Return ``name`` if it may name a crew; raises UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"crew {name[:80]!r}: must be 1 to 40 lower-case letters, digits and dashes, and begin "
            "and end with a letter or digit"
        )
    return name


def member(number: int) -> str:
    """The name of a member, within its crew."""
    return f"consumer-{number:05d}"


def change(members: Sequence[Member], wanted: int) -> Change:
    """What brings a crew to so many living members, of all ``members`` that it ever had."""
    lacking = wanted - counted(members).living
    if lacking < 0:
        return fewer(members, wanted)
    return Change(add=unused((each.name for each in members), lacking))


def fewer(members: Iterable[Member], wanted: int) -> Change:
    """What brings a crew down to so many living members.

    Those who joined last go first, and of them those whom no machine has taken.
    """
    living = sorted(
        (each for each in members if each.living),
        key=lambda each: (each.generation, each.name),
        reverse=True,
    )
    surplus = max(len(living) - wanted, 0)
    end = [each for each in living if each.state is State.QUEUED][:surplus]
    running = [each for each in living if each.state is State.RUNNING]
    return Change(end=end, dismiss=running[: surplus - len(end)])


def unused(given: Iterable[str], how_many: int) -> list[str]:
    """The lowest names of members that were never given."""
    taken = set(given)
    return list(islice((name for name in map(member, count(1)) if name not in taken), how_many))


def counted(members: Sequence[Member]) -> Count:
    """How many members there are in each state."""
    present = [each for each in members if each.state is not State.COMPLETED]
    gone = [each for each in members if each.state is State.COMPLETED]
    return Count(
        queued=sum(each.state is State.QUEUED and not each.leaving for each in present),
        running=sum(each.state is State.RUNNING and not each.leaving for each in present),
        leaving=sum(each.leaving for each in present),
        completed=len(gone),
        failed=sum(bool(each.failure) for each in gone),
        requeued=sum(each.requeued for each in members),
    )


def job_id(name: str, generation: int) -> str:
    """A Batch job of a crew. One that has ended takes no more tasks, and one that is ``FULL`` gets
    none: the next is a new one.
    """
    return f"{name}-{generation}"


def generation_of(job: str, name: str | None = None) -> tuple[str, int] | None:
    """The name and generation behind a Batch job's ID; None if it is no crew's, or not this one's.

    Batch takes IDs that differ only by case for the same.
    """
    found, _, number = job.lower().rpartition("-")
    if not (_NAME.fullmatch(found) and re.fullmatch("[1-9][0-9]{0,8}", number)):
        return None
    return (found, int(number)) if name in (None, found) else None
