"""The roster: which consumers live, as they say themselves, in Redis."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import orjson
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from engine import keys
from engine.codec import loads
from engine.connection import text

TIME_TO_LIVE = 10
"""Seconds after which a consumer that says nothing more is taken for gone."""

DISMISSAL_DAYS = 7
"""How long a dismissal stands: one who is to leave may still be waiting for a machine."""

_ALL = "*"
"""Stands for every member of a crew; no member is called so."""


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
    crew: str = ""
    """``CREW/MEMBER`` of one that ``azfinsim pool up`` has started."""
    host: str = ""
    """The machine it runs on."""
    busy: int | None = None
    """Slots that were pricing when it said so."""
    rate: float | None = None
    """Trades a second that it has settled since it spoke before."""
    memory: int | None = None
    """Bytes that its own process has resident."""

    def may_price(self, pricer: str, lane: str) -> bool:
        """Whether a job that wants this pricer may hope for it."""
        return lane in self.lanes and not self.draining and pricer not in self.lacking

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read one; raises ValueError if it is none."""
        stored = loads(data)
        if isinstance(stored, dict):
            # One of an older version says less.
            stored = {**_UNSAID, **stored}
        if not isinstance(stored, dict) or not _fits(stored):
            raise ValueError(f"no consumer's announcement: {data[:60]!r}")
        return cls(**{f.name: stored[f.name] for f in fields(cls)})


_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "lanes": (list,),
    "slots": (int,),
    "pid": (int,),
    "priced": (int,),
    "draining": (bool,),
    "lacking": (dict,),
    "crew": (str,),
    "host": (str,),
    "busy": (int, type(None)),
    "rate": (int, float, type(None)),
    "memory": (int, type(None)),
}

_UNSAID: Mapping[str, Any] = {"crew": "", "host": "", "busy": None, "rate": None, "memory": None}


def _fits(stored: Mapping[str, Any]) -> bool:
    """Whether each field is of its type, and each lane and reason a text."""
    # Not isinstance: a bool is no number of slots.
    if any(type(stored.get(name)) not in types for name, types in _TYPES.items()):
        return False
    return all(isinstance(word, str) for word in (*stored["lanes"], *stored["lacking"].values()))


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

    async def dismiss(self, crew: str, members: Sequence[str] | None, reason: str) -> None:
        """Tell members of a crew to leave, None for all of them, those to come included."""
        # Of the client's own type: mappings take no narrower one.
        told: dict[Any, Any] = dict.fromkeys([_ALL] if members is None else members, reason)
        if told:
            key = keys.crew(crew)
            pipe = self.redis.pipeline(transaction=False)
            pipe.hset(key, mapping=told)
            pipe.expireat(key, int(time.time()) + DISMISSAL_DAYS * 86_400)
            await pipe.execute()

    async def dismissed(self, crew: str, member: str) -> str | None:
        """Why a member of a crew is to leave; None if it may stay."""
        for told in await self.redis.hmget(keys.crew(crew), [member, _ALL]):
            if told is not None:
                return text(told)[:80]
        return None

    async def dismissals(self, crew: str) -> set[str]:
        """The members of a crew that were told to leave by name."""
        return {text(name) for name in await self.redis.hkeys(keys.crew(crew))} - {_ALL}

    async def take_turn(self, task: str, seconds: float) -> bool:
        """Whether nobody has taken a turn at a task for so long; then it is the caller's."""
        try:
            turn = keys.consumers_turn(task)
            return bool(await self.redis.set(turn, "1", nx=True, ex=int(seconds)))
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

    async def silences(self, names: Sequence[str]) -> list[float | None]:
        """Seconds since each of these has spoken; None if it is gone, or the user may not ask."""
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.pttl(keys.consumer(name))
        left = await pipe.execute(raise_on_error=False) if names else []
        return [
            TIME_TO_LIVE - each / 1000 if isinstance(each, int) and each >= 0 else None
            for each in left
        ]


def _read(data: object) -> Presence | None:
    """An announcement; None if it is none, which is nobody's reason to stop."""
    try:
        return Presence.from_json(data) if isinstance(data, bytes) else None
    except ValueError:
        return None
