"""Lease: keeps what is held from being taken over, however long it takes (G6).

Runs on the event loop, which no pricing blocks.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import anyio
import structlog

from consumer.patience import patiently
from engine.group import Group, Message

RENEWALS = 3
"""Times in one lease that it is renewed: two may fail."""

M = TypeVar("M", bound=Message)

log = structlog.get_logger()


class InHand(Protocol[M]):
    """The messages that a consumer holds."""

    @property
    def entries(self) -> Sequence[M]: ...

    def lose(self, entries: Sequence[M]) -> int:
        """These are no longer ours: forget them; return how many were not done."""


async def run(group: Group[M], name: str, seconds: float, held: InHand[M]) -> None:
    """Renew the leases, of so many seconds, of what the consumer of this name holds."""
    while True:
        await anyio.sleep(seconds / RENEWALS)
        entries = held.entries
        if not entries:
            continue
        lost = await patiently("lease", group.renew, name, entries)
        if count := held.lose(lost):
            log.warning("lost entries: cancelled, or our lease has lapsed", entries=count)
