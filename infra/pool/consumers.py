"""What a crew of consumers is to whoever decides how many there shall be. Pure.

``Consumers`` is the whole interface: ``infra.pool.local.LocalCrew`` and
``infra.pool.batch_crew.BatchCrew`` have it, and whatever scales a pool needs no more::

    count = await consumers.count()
    await consumers.set(count.living + 4)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

Fence = Callable[[], Awaitable[None]]
"""Raises what keeps its caller from acting: that somebody else leads by now, say."""


async def unfenced() -> None:
    """The fence of a person, whom nobody keeps from acting."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many consumers there are, none of them counted twice."""

    queued: int = 0
    """Asked for, and waiting for a machine that takes them."""
    running: int = 0
    """On a machine, where they may yet be starting."""
    leaving: int = 0
    """Told to leave, and not gone yet."""
    completed: int = 0
    """That were there once: idle, told to leave, or ended."""
    failed: int = 0
    """Of those, other than well."""
    requeued: int = 0
    """How often one began again elsewhere, its machine having been taken away."""

    @property
    def living(self) -> int:
        """Those that price, or will: what ``Consumers.set`` brings to a number."""
        return self.queued + self.running


class Consumers(Protocol):
    """Consumers of one lane that were started together and are scaled together."""

    async def count(self) -> Count:
        """How many there are now.

        Raises ServerError if that cannot be found out.
        """
        ...

    async def set(self, number: int, fence: Fence = unfenced) -> int:
        """Have so many living consumers; returns by how many that changes what was found.

        More are started at once. Fewer: those that no machine has taken yet go first, then some
        are told to leave, and hand back what they hold; none is killed. Does not wait for either.
        Two who set the same number at the same time do it once, and a call that was cut off may be
        repeated. Raises ServerError if it cannot be done, or only in part.

        ``fence`` is asked right before each thing that is done; what it raises is passed on, and
        keeps that from being done.
        """
        ...
