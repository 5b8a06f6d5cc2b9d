"""The calls that a consumer has in hand, and the way to the slots of those that wait.

The one piece of state that the realtime roles share, touched from the event loop alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio

from consumer.realtime.pace import Kind
from engine.call import Call
from engine.pricing.pricer import Pricer


@dataclass(slots=True, eq=False)
class Held:
    """A call in hand."""

    call: Call
    pricer: Pricer | None = None
    """None while it is looked for."""
    deaths: int = 0
    """Processes of ours that it has killed."""

    @property
    def attempts(self) -> int:
        """How often it was begun, the next time included."""
        return self.call.attempts + self.deaths

    @property
    def kind(self) -> Kind:
        return (self.call.algorithm, self.call.asked)


class Holdings:
    """The calls in hand."""

    def __init__(self) -> None:
        self._unanswered: dict[tuple[str, str], Held] = {}
        self._answered: dict[tuple[str, str], Call] = {}
        # By kind, which is served in turn: no client has to wait for all of another's.
        self._queues: dict[Kind, deque[Held]] = {}
        self._closed = False
        self._changed: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._unanswered) + len(self._answered)

    @property
    def queued(self) -> bool:
        """Whether any call waits for a slot."""
        return bool(self._queues)

    def __contains__(self, call: Call) -> bool:
        return _key(call) in self._unanswered or _key(call) in self._answered

    @property
    def entries(self) -> list[Call]:
        """All in hand."""
        return [*self.unanswered, *self._answered.values()]

    @property
    def unanswered(self) -> list[Call]:
        """Those without an outcome."""
        return [held.call for held in self._unanswered.values()]

    def open(self, held: Held) -> bool:
        """Whether it is ours and has no outcome."""
        return _key(held.call) in self._unanswered

    def arrive(self, held: Held) -> None:
        """It was delivered, and is ours while its pricer is looked for."""
        self._unanswered[_key(held.call)] = held

    def wait(self, held: Held) -> bool:
        """Let one that has a pricer wait for a slot; False if no slot will come to it."""
        if self._closed or not self.open(held):
            return False
        self._queues.setdefault(held.kind, deque()).append(held)
        self._notify()
        return True

    def answer(self, call: Call) -> None:
        """It has its outcome; all that is left is to tell."""
        self._unanswered.pop(_key(call), None)
        self._answered[_key(call)] = call

    def let_go(self, call: Call) -> None:
        """It was answered, given back or lost: forget it."""
        self._unanswered.pop(_key(call), None)
        self._answered.pop(_key(call), None)
        self._notify()

    def lose(self, entries: Sequence[Call]) -> int:
        """These are no longer pending in our name: forget them; return how many were not done.

        What is in a slot goes on, and answering it has an effect only if nobody else has.
        """
        lost = [call for call in entries if _key(call) in self._unanswered]
        gone = [self._unanswered[_key(call)] for call in lost]
        for call in lost:
            self.let_go(call)
        self._drop(gone)
        return len(lost)

    def late(self, is_late: Callable[[Call], bool]) -> list[Call]:
        """Take those out of the queues whose deadline has passed."""
        gone = [held for queue in self._queues.values() for held in queue if is_late(held.call)]
        self._drop(gone)
        return [held.call for held in gone]

    def close(self) -> list[Call]:
        """Let slots end when they are done; returns what still waited, to be given back."""
        self._closed = True
        waited = [held.call for queue in self._queues.values() for held in queue]
        self._queues.clear()
        self._notify()
        return waited

    async def next(
        self, together: Callable[[Kind, int], int], too_many: Callable[[], bool] = lambda: False
    ) -> Sequence[Held]:
        """Calls of one kind, in the order in which they came; none if no more will come.

        ``together`` says how many of as many as wait of a kind, ``too_many`` whether the caller is
        a slot too many.
        """
        while not too_many():
            if self._queues:
                return self._first(together)
            if self._closed:
                return []
            await self.change()
        return []

    def _first(self, together: Callable[[Kind, int], int]) -> Sequence[Held]:
        """Take calls of the kind whose turn it is."""
        kind, queue = next(iter(self._queues.items()))
        count = together(kind, len(queue))
        del self._queues[kind]
        taken = [queue.popleft() for _ in range(min(count, len(queue)))]
        if queue:
            self._queues[kind] = queue  # at the end
        return taken

    def wake(self) -> None:
        """Have those who wait for a change look around."""
        self._notify()

    async def change(self) -> None:
        """Wait until a call comes or goes."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def _drop(self, gone: Iterable[Held]) -> None:
        for held in gone:
            queue = self._queues.get(held.kind, ())
            if isinstance(queue, deque) and held in queue:
                queue.remove(held)
                if not queue:
                    del self._queues[held.kind]

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def _key(call: Call) -> tuple[str, str]:
    return (call.stream, call.entry_id)
