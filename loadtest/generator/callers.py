"""The plain post: a task for each call, which waits for its answer as a caller does."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.call import Reply
from engine.errors import NotPriced, Rejected
from loadtest.generator.ledger import UNEXPECTED, Made
from loadtest.generator.sender import Course, end


class Asking(Protocol):
    """How one call is made."""

    async def ask(self, made: Made, seconds: float) -> Awaitable[Reply]:
        """Make a call that may take so long; returns what brings the answer.

        Both raise NotPriced if there is none.
        """


@dataclass(slots=True)
class Callers:
    """The post of one generator that makes each call by itself."""

    asking: Asking
    course: Course
    partitions: int = 1
    _unsent: int = 0
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, due: Sequence[Made]) -> None:
        for made in due:
            if self.course.ledger.may_send(made, self.course.now()):
                self._unsent += 1
                task = asyncio.create_task(self._call(made))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)

    def unsent(self) -> int:
        return self._unsent

    def reading(self) -> Sequence[Awaitable[None]]:
        return []

    async def withdraw(self, late: Sequence[Made]) -> None:
        """Nothing: a client of the grid has done so by himself, and the peers do not."""

    async def leave(self) -> None:
        await end(list(self._waiting))

    async def _call(self, made: Made) -> None:
        course = self.course
        ledger = course.ledger
        try:
            try:
                answer = await self.asking.ask(made, made.plan + ledger.deadline - course.now())
            finally:
                self._unsent -= 1
            ledger.queued(made, made.name, course.now())
            ledger.answer(await answer, course.now())
        except Rejected as error:
            # It took as long as it took.
            record = {"id": 0, "outcome": "rejected", "reason": str(error)}
            ledger.answer(Reply(made.name, record, "", 0.0), course.now())
        except NotPriced as error:
            self._fail(made, type(error).__name__)
        except Exception as error:
            self._fail(made, f"{UNEXPECTED} {type(error).__name__}")

    def _fail(self, made: Made, error: str) -> None:
        self.course.ledger.fail(made, error, self.course.now())
        self.course.ledger.withdrawn([made])
