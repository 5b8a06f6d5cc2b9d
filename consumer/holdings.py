"""What a consumer holds: entries it was given and has not settled.

The one piece of state that the roles share. All of it is touched from the event loop alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio

from engine.chunk import Chunk
from engine.entry import Entry
from engine.job import Job, Lane


@dataclass(slots=True, eq=False)
class Held:
    """An entry to be priced, with all that its pricing takes."""

    entry: Entry
    job: Job
    chunk: Chunk
    begun: float | None = None
    """Since when it has been in a slot, by the event loop's clock; None while it waits for one."""


class Holdings:
    """The entries in hand, and the way to the slots of those that wait."""

    def __init__(self) -> None:
        self._arriving: dict[tuple[str, str], Entry] = {}
        self._unfinished: dict[tuple[str, str], Held] = {}
        self._finished: dict[tuple[str, str], Entry] = {}
        # Lane's members stand highest first.
        self._queues: dict[Lane, deque[Held]] = {lane: deque() for lane in Lane}
        self._closed = False
        self._changed: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._arriving) + len(self._unfinished) + len(self._finished)

    def __contains__(self, entry: Entry) -> bool:
        key = _key(entry)
        return key in self._arriving or key in self._unfinished or key in self._finished

    def of(self, lanes: Iterable[Lane]) -> int:
        """How many of the entries in hand are of these lanes."""
        wanted = set(lanes)
        return sum(entry.lane in wanted for entry in self.entries)

    @property
    def queued(self) -> int:
        """Entries that wait for a slot."""
        return sum(map(len, self._queues.values()))

    @property
    def entries(self) -> list[Entry]:
        """All entries in hand, whether they arrive, wait, are priced or are settled."""
        return [*self.unfinished, *self._finished.values()]

    @property
    def unfinished(self) -> list[Entry]:
        """Entries that arrive, wait for a slot or are in one."""
        return [*self._arriving.values(), *(held.entry for held in self._unfinished.values())]

    @property
    def in_slots(self) -> list[Held]:
        """What is being priced, and is still ours."""
        return [held for held in self._unfinished.values() if held.begun is not None]

    def arrive(self, entry: Entry) -> None:
        """It was delivered, and is ours while its job and trades are looked up."""
        self._arriving[_key(entry)] = entry

    def add(self, held: Held) -> None:
        """Take an entry in hand and let it wait for a slot; nothing if it is in hand already."""
        self._arriving.pop(_key(held.entry), None)
        if held.entry not in self:
            self._unfinished[_key(held.entry)] = held
            self._queues[held.entry.lane].append(held)
            self._notify()

    def finish(self, entry: Entry) -> None:
        """All that is left is to tell the server: to settle it, or that it is given back."""
        self._arriving.pop(_key(entry), None)
        self._unfinished.pop(_key(entry), None)
        self._finished[_key(entry)] = entry
        self._notify()

    def let_go(self, entry: Entry) -> None:
        """It is settled, given back or lost: forget it."""
        for stage in (self._arriving, self._unfinished, self._finished):
            stage.pop(_key(entry), None)
        self._notify()

    def lose(self, entries: Sequence[Entry]) -> int:
        """These are no longer pending in our name: forget them; return how many were not done.

        What is in a slot goes on, and settling it will have no effect.
        """
        lost = 0
        for entry in entries:
            # One that was being settled while we asked has ended as it should.
            held = self._unfinished.get(_key(entry))
            if held is not None:
                lost += 1
                self.let_go(entry)
                queue = self._queues[entry.lane]
                if held in queue:
                    queue.remove(held)
        return lost

    def take_back(self, count: int) -> list[Entry]:
        """Take up to ``count`` entries off the end of the queues, lowest lane first."""
        taken: list[Entry] = []
        for queue in reversed(self._queues.values()):
            while queue and len(taken) < count:
                taken.append(queue.pop().entry)
        for entry in taken:
            self.finish(entry)
        return taken

    def put_back(self, batch: Sequence[Held]) -> list[Entry]:
        """Let entries wait on that a slot has not come to; returns those to be given back."""
        if self._closed:
            return [held.entry for held in batch]
        for held in reversed(batch):
            held.begun = None
            self._queues[held.entry.lane].appendleft(held)
        self._notify()
        return []

    def close(self) -> list[Entry]:
        """Let slots end when they are done; returns what still waited, to be given back."""
        self._closed = True
        self._notify()
        return self.take_back(self.queued)

    async def next(
        self, at_once: Callable[[int, str], int], too_many: Callable[[], bool] = lambda: False
    ) -> Sequence[Held]:
        """The entries that have waited longest in the highest lane; none if no more will come.

        ``at_once`` says how many of as many as wait of a job, ``too_many`` whether the caller is
        a slot too many.
        """
        while not too_many():
            for queue in self._queues.values():
                if queue:
                    return _first_of(queue, at_once(len(queue), queue[0].job.name))
            if self._closed:
                return []
            await self.change()
        return []

    def wake(self) -> None:
        """Have those who wait look again."""
        self._notify()

    async def change(self) -> None:
        """Wait until an entry comes or goes."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def _notify(self) -> None:
        # Several times for each entry, and hardly ever is anybody waiting.
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def _first_of(queue: deque[Held], count: int) -> Sequence[Held]:
    """Take up to ``count`` entries of one job off the front of a queue."""
    taken = [queue.popleft()]
    while queue and len(taken) < count and queue[0].job == taken[0].job:
        taken.append(queue.popleft())
    for held in taken:
        held.begun = anyio.current_time()
    return taken


def _key(entry: Entry) -> tuple[str, str]:
    return (entry.stream, entry.entry_id)
