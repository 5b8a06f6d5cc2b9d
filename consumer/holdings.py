"""What a consumer holds: entries it was given and has not settled, in the order they came.

The one piece of state that the roles share. All of it is touched from the event loop alone.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from engine.chunk import Chunk
from engine.entry import Entry
from engine.job import Job


@dataclass(slots=True, eq=False)
class Held:
    """An entry in hand, with all that its pricing takes."""

    entry: Entry
    job: Job
    chunk: Chunk
    finished: bool = False
    """Whether a slot is done with it, so that it waits to be settled."""


class Holdings:
    """The entries in hand, and the way of those that wait to the slots."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Held] = {}
        self._queue: deque[Held] = deque()
        self._closed = False
        self._changed = anyio.Event()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def queued(self) -> int:
        """Entries that wait for a slot."""
        return len(self._queue)

    @property
    def entries(self) -> list[Entry]:
        """All entries in hand, whether they wait, are priced or are settled."""
        return [held.entry for held in self._held.values()]

    @property
    def unfinished(self) -> list[Held]:
        """Entries that wait for a slot or are in one."""
        return [held for held in self._held.values() if not held.finished]

    def add(self, held: Held) -> None:
        """Take an entry in hand and let it wait for a slot."""
        self._held[_key(held.entry)] = held
        self._queue.append(held)
        self._notify()

    def let_go(self, entry: Entry) -> Held | None:
        """It is settled, given back or lost: forget it."""
        held = self._held.pop(_key(entry), None)
        self._notify()
        return held

    def lose(self, entries: Sequence[Entry]) -> int:
        """These are no longer pending in our name: forget them; return how many were not done.

        What is in a slot goes on, and settling it will have no effect.
        """
        lost = 0
        for entry in entries:
            held = self._held.get(_key(entry))
            # One that is being settled while we asked has ended as it should.
            if held is not None and not held.finished:
                lost += 1
                self.let_go(entry)
                if held in self._queue:
                    self._queue.remove(held)
        return lost

    def take_back(self, count: int) -> list[Held]:
        """Take up to ``count`` entries off the end of the queue, to be given back."""
        taken = [self._queue.pop() for _ in range(min(count, len(self._queue)))]
        for held in taken:
            self.let_go(held.entry)
        return taken

    def close(self) -> list[Held]:
        """Let slots end when they are done; returns what still waited, to be given back."""
        self._closed = True
        self._notify()
        return self.take_back(len(self._queue))

    async def next(self) -> Held | None:
        """The entry that has waited longest; None when there will be no more."""
        while not self._queue:
            if self._closed:
                return None
            await self.change()
        return self._queue.popleft()

    async def change(self) -> None:
        """Wait until an entry comes or goes."""
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _key(entry: Entry) -> tuple[str, str]:
    return (entry.stream, entry.entry_id)
