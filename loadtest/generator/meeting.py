"""Where generators meet: a few keys in Redis, which end by themselves if nobody keeps them.

The one module that knows these keys. Who runs a test opens a meeting and says when it begins;
generators join it, and tell what came of each interval.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from engine.connection import text
from engine.errors import UsageError
from engine.group import Answer
from loadtest.generator.tally import News

KEPT = 60
"""Seconds for which a meeting's keys outlive who runs the test."""

NEWS_KEPT = 100_000

LATEST = "az:{loadtest}:latest"
"""String with a time to live: the name of the meeting that was opened last."""


def name_of(process: int) -> str:
    """The name under which a process of this machine joins."""
    return f"{socket.gethostname()[:40]}-{process}"


@dataclass(frozen=True, slots=True)
class Meeting:
    """One of them."""

    redis: Redis
    name: str

    async def open(self, plan: Mapping[str, Any]) -> None:
        """Open it: from now on generators may join."""
        await self.redis.set(self._key("plan"), orjson.dumps(plan), ex=KEPT)
        await self.redis.set(LATEST, self.name, ex=KEPT)

    async def plan(self) -> Mapping[str, Any]:
        """What is to be done; raises UsageError if there is no such meeting."""
        stored = await self.redis.get(self._key("plan"))
        if stored is None:
            raise UsageError(
                f"there is no load test {self.name!r} at this server: `azfinsim loadtest run` "
                "begins one, and says its name"
            )
        return cast("dict[str, Any]", orjson.loads(stored))

    async def join(self, generator: str) -> None:
        """Say that a generator is ready."""
        await self.redis.hset(self._key("generators"), generator, "ready")
        await self.redis.expire(self._key("generators"), KEPT)

    async def joined(self) -> list[str]:
        """The names of the generators that are ready, in no order that matters."""
        return sorted(map(text, await self.redis.hkeys(self._key("generators"))))

    async def begin(self, start: float, generators: Sequence[str]) -> None:
        """Say when the measurement begins, Unix time by the server's clock, and who takes part."""
        told = {"start": start, "generators": list(generators)}
        await self.redis.set(self._key("start"), orjson.dumps(told), ex=KEPT)

    async def begins(self) -> tuple[float, list[str]] | None:
        """When it begins and who takes part; None if that is yet to be said."""
        stored = await self.redis.get(self._key("start"))
        if stored is None:
            return None
        told = orjson.loads(stored)
        return float(told["start"]), list(told["generators"])

    async def tell(self, news: Sequence[News]) -> None:
        """Tell what came of intervals."""
        pipe = self.redis.pipeline(transaction=False)
        for each in news:
            pipe.xadd(self._key("news"), {"news": each.to_json()}, maxlen=NEWS_KEPT)
        pipe.expire(self._key("news"), KEPT)
        await pipe.execute()

    async def news(self, after: str) -> tuple[str, list[News]]:
        """What was told after some news, ``0`` for the first; returns the last one's name too."""
        found: list[News] = []
        for _, messages in cast(Answer, await self.redis.xread({self._key("news"): after})):
            for entry_id, fields in messages:
                after = entry_id.decode()
                found.append(News.from_json(fields[b"news"]))
        return after, found

    async def stop(self) -> None:
        """Tell the generators to send no more."""
        await self.redis.set(self._key("stop"), "1", ex=KEPT)

    async def stopped(self) -> bool:
        """Whether they were told so, or whoever runs the test is gone."""
        stop, plan = await self.redis.mget([self._key("stop"), self._key("plan")])
        return stop is not None or plan is None

    async def keep(self) -> None:
        """Keep the meeting open; to be called well within ``KEPT``."""
        pipe = self.redis.pipeline(transaction=False)
        for key in ("plan", "generators", "start", "news"):
            pipe.expire(self._key(key), KEPT)
        await pipe.execute()

    async def close(self) -> None:
        """Leave nothing behind."""
        keys = [self._key(key) for key in ("plan", "generators", "start", "news", "stop")]
        await self.redis.unlink(*keys, LATEST)

    def _key(self, what: str) -> str:
        return f"az:{{loadtest}}:{self.name}:{what}"


async def latest(redis: Redis) -> str:
    """The name of the meeting that was opened last; raises UsageError if none is open."""
    name = await redis.get(LATEST)
    if name is None:
        raise UsageError(
            "no load test waits for generators at this server: start one with "
            "`azfinsim loadtest run SCENARIO --set realtime.join=1`"
        )
    return text(name)
