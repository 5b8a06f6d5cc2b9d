"""Staff: how many slots there are to be, and how many there are.

A machine's cores may come and go while a consumer works. A slot that is one too many ends when it
is done with what it prices; one that lacks is started.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine import telemetry


class Staff:
    """The slots of one consumer; touched from the event loop alone."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.at_work = 0
        self.busy = 0
        """Slots that are pricing, those of realtime too."""
        self._changed = anyio.Event()

    def resize(self, wanted: int) -> None:
        """Have so many slots from now."""
        self.wanted = wanted
        self._changed.set()

    def too_many(self) -> bool:
        """Whether a slot is to leave: who does says so before anything is awaited, or two leave."""
        return self.at_work > self.wanted

    def left(self) -> None:
        """A slot has left."""
        self.at_work -= 1

    @contextmanager
    def pricing(self) -> Iterator[None]:
        """Count one slot more as busy while the body runs."""
        self.busy += 1
        telemetry.slots_busy.change(1)
        try:
            yield
        finally:
            self.busy -= 1
            telemetry.slots_busy.change(-1)

    async def run(self, group: TaskGroup, slot: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start slots in a task group as they are wanted, until cancelled."""
        while True:
            while self.at_work < self.wanted:
                self.at_work += 1
                group.start_soon(slot)
            await self._changed.wait()
            self._changed = anyio.Event()
