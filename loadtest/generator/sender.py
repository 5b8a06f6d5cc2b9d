"""The sender: comes to each call when it was planned, whatever has become of those before.

What may live here: when. How calls get to whoever prices them is for a post.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtest.generator.alarm import Alarm
from loadtest.generator.calls import Prepared
from loadtest.generator.ledger import GRACE, Ledger, Made

TICK = 0.0005
"""Seconds: what becomes due within so long of a call goes with the next ones."""

MOST_AT_ONCE = 200
"""Calls that are sent without a look at what else there is to do."""

LAST_ANSWERS = 5.0
"""Seconds after the last deadline in which consumers must have told what became of late calls."""

LOOK = 0.05
"""Seconds between looks at whose deadline has passed."""


@dataclass(slots=True)
class Course:
    """How far a generator is."""

    start: float
    """When the measurement begins, by ``time.perf_counter``."""
    ledger: Ledger
    ended: bool = False
    """Whether there is no more to be sent; may be set from anywhere."""

    def now(self) -> float:
        """Seconds from the beginning of the measurement."""
        return time.perf_counter() - self.start


class Post(Protocol):
    """Takes calls to whoever prices them, and brings what comes of them to the ledger."""

    @property
    def partitions(self) -> int:
        """Over which calls are shared out."""

    def send(self, due: Sequence[Made]) -> None:
        """Send calls; returns at once."""

    def unsent(self) -> int:
        """Calls of which it is not known yet that they were sent."""

    def reading(self) -> Sequence[Awaitable[None]]:
        """What is to run all the while, to be cancelled in the end."""

    async def withdraw(self, late: Sequence[Made]) -> None:
        """Take back those of the late calls that nobody has taken."""

    async def leave(self) -> None:
        """End what is under way, and leave nothing behind."""


@dataclass(slots=True)
class Sender:
    """Sends one generator's calls."""

    course: Course
    post: Post

    async def run(self, planned: Iterator[float], asked: Iterator[Prepared], alarm: Alarm) -> None:
        """Make all calls and wait for their answers, or until each deadline."""
        ledger = self.course.ledger
        reading = [asyncio.ensure_future(each) for each in self.post.reading()]
        looking = asyncio.create_task(self._look())
        try:
            await self._send_all(planned, asked, alarm)
            await self._until_none(self._under_way, ledger.deadline + 2 * GRACE)
            await self.post.withdraw(list(ledger.overdue.values()))
            await self._until_none(ledger.late, LAST_ANSWERS)
            ledger.close(self.course.now())
        finally:
            self.course.ended = True
            await end([looking, *reading])
            await self.post.leave()

    async def _send_all(
        self, planned: Iterator[float], asked: Iterator[Prepared], alarm: Alarm
    ) -> None:
        course, number, partitions = self.course, 0, self.post.partitions
        plan = next(planned, None)
        while plan is not None and not course.ended:
            await alarm.wait(max(plan - course.now(), TICK))
            now, due = course.now(), list[Made]()
            while plan is not None and plan <= now and len(due) < MOST_AT_ONCE:
                number += 1
                made = Made(f"{number % partitions}-{number}", plan, next(asked))
                course.ledger.due(made, now)
                due.append(made)
                plan = next(planned, None)
            self.post.send(due)

    async def _look(self) -> None:
        """Give calls up at their deadlines."""
        while True:
            await asyncio.sleep(LOOK)
            self.course.ledger.give_up_late(self.course.now())

    def _under_way(self) -> int:
        return len(self.course.ledger.waiting) + self.post.unsent()

    async def _until_none(self, count: Callable[[], int], seconds: float) -> None:
        until = self.course.now() + seconds
        while count() and self.course.now() < until and not self.course.ended:  # noqa: ASYNC110 - of many
            await asyncio.sleep(LOOK)


async def end(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel tasks until they have heard of it: asyncio.wait_for may lose a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
