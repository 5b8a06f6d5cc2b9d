"""Doing the pieces of one call on all the threads that have nothing else to do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


PIECES = 2
"""For each thread, before it is free for another call."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """The builtin ``map``, with the help of idle threads.

    The caller takes pieces itself, and so does each thread that gets to it. It waits for no thread
    that is busy with something else: there is nothing that only it could do. Threads are asked anew
    for every few pieces, so that other calls, which wait for a thread, wait no longer than these.
    """

    threads: Executor
    """The caller may be one of them."""
    helpers: int
    """How many of them to ask."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """The function's result for each item, in their order; raises what it raises."""
        rest = iter(items)
        while given := list(islice(rest, PIECES * (self.helpers + 1))):
            yield from self._together(function, given)

    def _together(self, function: Callable[[T], R], given: Sequence[T]) -> Sequence[R]:
        results: dict[int, R] = {}
        turns = count()

        def take_turns() -> None:
            # The next of a counter is one step to all threads.
            while (turn := next(turns)) < len(given):
                results[turn] = function(given[turn])

        asked = [self.threads.submit(take_turns) for _ in range(min(self.helpers, len(given) - 1))]
        try:
            take_turns()
        finally:
            helping = [helper for helper in asked if not helper.cancel()]
        for helper in helping:
            helper.result()
        return [results[turn] for turn in range(len(given))]
