"""Turns at sweeping a stream for entries whose lease has lapsed: one consumer at a time, for all.

Each sweeping for itself would look through what all of them hold: a fleet twice as large would
take four times as much of the server.
"""

import re
from dataclasses import dataclass

from redis.asyncio import Redis

from engine import keys, scripts
from engine.connection import text
from engine.job import Lane
from engine.scripts import Call, Script

_TURN, _END = Script("turn"), Script("turn_end")

BEGINNING = "0-0"
"""The cursor before the first entry and after the last."""

KEPT = 60.0
"""Seconds for which a cursor is kept that nobody goes on from."""

_CURSOR = re.compile("[0-9]{1,19}-[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns at one stream; a full server does not stop them."""

    redis: Redis
    partition: int
    lane: Lane
    seconds: float
    """How long one is, less than ``KEPT``."""

    async def take(self) -> str | None:
        """The cursor to sweep from, if it is now the caller's turn."""
        call = Call(_TURN, [self._key], [_ms(self.seconds), _ms(KEPT)])
        told = await scripts.run_one(self.redis, call)
        if told is None:
            return None
        # What does not look like a cursor is somebody else's.
        return cursor if _CURSOR.fullmatch(cursor := text(told)) else BEGINNING

    async def end(self, cursor: str, *, over: bool) -> None:
        """Keep the cursor for the next; ``over`` ends the turn, otherwise it begins anew."""
        kept = KEPT - self.seconds if over else KEPT
        await scripts.run_one(self.redis, Call(_END, [self._key], [cursor, _ms(kept)]))

    @property
    def _key(self) -> str:
        return keys.sweep(self.partition, str(self.lane))


def _ms(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
