"""Tells the controllers of a crew that it was taken down, so that they do not start it again."""

from dataclasses import dataclass

from redis.asyncio import Redis

from engine import keys
from engine.connection import text

KEPT = 86_400
"""Seconds for which it stands: longer than any controller is away from the server."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of one crew, by its name in the roster, without a Batch job's number."""

    redis: Redis
    crew: str

    async def now(self) -> float:
        """Unix time in seconds, by the server's clock."""
        seconds, microseconds = await self.redis.time()
        return float(seconds) + float(microseconds) / 1e6

    async def give(self) -> None:
        """Have those controllers of the crew end that run now, the leader and its stand-bys."""
        now = await self.now()
        pipe = self.redis.pipeline(transaction=False)
        pipe.hset(keys.taken_down(self.crew), "at", repr(now))
        pipe.expireat(keys.taken_down(self.crew), int(now) + KEPT)
        await pipe.execute()

    async def given_since(self, begun: float) -> bool:
        """Whether the crew was taken down after ``begun``, a time by the server's clock."""
        told = await self.redis.hget(keys.taken_down(self.crew), "at")
        try:
            return told is not None and float(text(told)) > begun
        except ValueError:
            return False  # Nobody of ours has written that.

    async def controller(self, lane: str) -> str | None:
        """The controller that keeps the crew, None if none does."""
        found = await self.redis.hmget(keys.controller(lane), ["leader", "crew", "until"])
        leader, crew, until = ("" if each is None else text(each) for each in found)
        lives = until.isdecimal() and int(until) / 1000 > await self.now()
        return leader if crew == self.crew and lives else None
