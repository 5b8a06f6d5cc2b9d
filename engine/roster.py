"""The roster: which consumers live, as they say themselves, in Redis."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Self

import orjson
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from engine import keys
from engine.connection import text

TIME_TO_LIVE = 10
"""Seconds after which a consumer that says nothing more is taken for gone."""


def wanted(algorithm: str, version: str = "") -> str:
    """What a pricer is called among consumers: its algorithm, and its version if any is asked."""
    return f"{algorithm} {version}".rstrip()


@dataclass(frozen=True, slots=True)
class Presence:
    """What a consumer says of itself."""

    name: str
    lanes: list[str]
    slots: int
    pid: int
    priced: int = 0
    """Trades that it has settled since it started."""
    draining: bool = False
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Pricers that it was asked for and does not have, as ``wanted`` names them, and why."""

    def may_price(self, pricer: str, lane: str) -> bool:
        """Whether a job that wants this pricer may hope for it."""
        return lane in self.lanes and not self.draining and pricer not in self.lacking

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read one; raises ValueError if it is none."""
        stored = orjson.loads(data)
        try:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})
        except (TypeError, KeyError):
            raise ValueError(f"no consumer's announcement: {data[:60]!r}") from None


@dataclass(frozen=True, slots=True)
class Roster:
    """The consumers of one server."""

    redis: Redis

    async def announce(self, presence: Presence) -> None:
        """Say that a consumer lives; to be repeated well within ``TIME_TO_LIVE``."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.sadd(keys.consumers(), presence.name)
        pipe.set(keys.consumer(presence.name), orjson.dumps(asdict(presence)), ex=TIME_TO_LIVE)
        await pipe.execute()

    async def leave(self, name: str) -> None:
        """Take a consumer off the roster."""
        pipe = self.redis.pipeline(transaction=False)
        # Not pipe.delete: in a cluster's pipeline that one sends by itself.
        pipe.execute_command("DEL", keys.consumer(name))
        pipe.srem(keys.consumers(), name)
        await pipe.execute()

    async def take_turn(self, seconds: float) -> bool:
        """Whether nobody else has taken a turn at tidying up for so long."""
        try:
            return bool(await self.redis.set(keys.consumers_turn(), "1", nx=True, ex=int(seconds)))
        except OutOfMemoryError:
            return False  # It can wait.

    async def living(self) -> list[Presence]:
        """The consumers that live, by name; forgets the others."""
        names = sorted(text(name) for name in await self.redis.smembers(keys.consumers()))
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.get(keys.consumer(name))
        found = await pipe.execute(raise_on_error=False) if names else []
        said = dict(zip(names, found, strict=True))
        gone = [name for name, data in said.items() if data is None]
        if gone:
            await self.redis.srem(keys.consumers(), *gone)
        living = [_read(data) for data in said.values() if data is not None]
        return [presence for presence in living if presence is not None]


def _read(data: object) -> Presence | None:
    """An announcement; None if it is none, which is nobody's reason to stop."""
    try:
        return Presence.from_json(data) if isinstance(data, bytes) else None
    except ValueError:
        return None
