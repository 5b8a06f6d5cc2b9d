"""What a consumer group does with messages of any kind: taken, leased, taken over, put aside."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from engine import keys, scripts
from engine.connection import text
from engine.entry import Unreadable
from engine.job import Lane
from engine.scripts import Call, Script

_RENEW, _LEAVE = Script("renew"), Script("leave")

Answer = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]
"""What XREADGROUP answers: for each stream its messages, each an ID and its fields."""

UNREADABLE_KEPT = 1000
"""Entries that nobody could read are kept up to this number, for a person to look at."""

RECLAIMED_AT_ONCE = 10
"""Entries taken over in one command, which looks at ten times as many: a quarter of a millisecond
of Redis 7.0, the slowest at it, a tenth of one of Valkey."""

RENEWED_AT_ONCE = 100
"""Leases renewed in one script: three quarters of a millisecond of the server."""

FORGOTTEN_AFTER = 60.0
"""Seconds: a consumer asks for entries many times in these, unless it is frozen or gone."""


class Message(Protocol):
    """What is delivered."""

    @property
    def entry_id(self) -> str: ...

    @property
    def stream(self) -> str:
        """The key of the stream it lies in."""


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Group(ABC, Generic[M]):
    """The consumer group of every stream of one server; what its messages are, a subclass says."""

    redis: Redis
    partitions: int

    @abstractmethod
    def read(
        self,
        partition: int,
        lane: Lane,
        entry_id: bytes,
        fields: Mapping[bytes, bytes],
        deliveries: int = 1,
    ) -> M | Unreadable:
        """Read a message; whatever its bytes are, the answer is a value."""

    async def ensure_groups(self, lanes: Sequence[Lane]) -> None:
        """Make the streams and their groups where they are not there (any more)."""
        for partition in range(self.partitions):
            for lane in lanes:
                try:
                    await self.redis.xgroup_create(
                        keys.stream(partition, lane), keys.GROUP, id="0", mkstream=True
                    )
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise

    async def take(
        self, consumer: str, partition: int, lanes: Sequence[Lane], count: int, block_ms: int | None
    ) -> list[M | Unreadable]:
        """Take up to ``count`` new entries of each lane; wait up to ``block_ms`` if there are none.

        A lane that has never been used, or was lost with the server's data, is made.
        """
        by_key = {keys.stream(partition, lane): lane for lane in lanes}
        try:
            answer = await self.redis.xreadgroup(
                keys.GROUP, consumer, dict.fromkeys(by_key, ">"), count=count, block=block_ms
            )
        except ResponseError as error:
            if not is_no_group(error):
                raise
            await self.ensure_groups(lanes)
            return []
        return [
            self.read(partition, by_key[text(key)], entry_id, fields)
            for key, messages in cast(Answer, answer)
            for entry_id, fields in messages
        ]

    async def renew(self, consumer: str, entries: Sequence[M]) -> list[M]:
        """Renew the leases of entries; return those that the consumer has lost."""
        by_stream: dict[str, dict[str, M]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, {})[entry.entry_id] = entry
        batches = [
            (stream, batch) for stream, ids in by_stream.items() for batch in _batches(list(ids))
        ]
        calls = [Call(_RENEW, [stream], [keys.GROUP, consumer, *ids]) for stream, ids in batches]
        lost: list[M] = []
        for (stream, ids), result in zip(
            batches, await scripts.run(self.redis, *calls), strict=True
        ):
            if isinstance(result, Exception) and not is_no_group(result):
                raise result
            gone = ids if isinstance(result, Exception) else map(text, result)
            lost += [by_stream[stream][entry_id] for entry_id in gone]
        return lost

    async def reclaim(
        self, consumer: str, partition: int, lane: Lane, lease_ms: int, cursor: str, count: int
    ) -> tuple[str, list[M | Unreadable]]:
        """Take over up to ``count`` entries whose lease has lapsed, from a cursor on.

        Returns the cursor for the next call, ``0-0`` after the last stretch, and the entries with
        their deliveries. Each call takes ``RECLAIMED_AT_ONCE`` at most and looks at ten times as
        many, however many are pending.
        """
        stream = keys.stream(partition, lane)
        count = min(count, RECLAIMED_AT_ONCE)
        try:
            answer = await self.redis.xautoclaim(
                stream, keys.GROUP, consumer, lease_ms, start_id=cursor, count=count
            )
        except ResponseError as error:
            if not is_no_group(error):
                raise
            return "0-0", []
        after = text(answer[0])
        messages = [message for message in answer[1] if message[0] is not None]
        if len(messages) < len(answer[1]):
            await self._forget_deleted(consumer, stream, cursor, after)
        pipe = self.redis.pipeline(transaction=False)
        for entry_id, _ in messages:
            pipe.xpending_range(stream, keys.GROUP, entry_id, entry_id, 1)
        found = await pipe.execute(raise_on_error=False)
        entries: list[M | Unreadable] = []
        for (entry_id, fields), pending in zip(messages, found, strict=True):
            if isinstance(pending, Exception):
                if is_no_group(pending):
                    continue  # All that was pending is gone, just now.
                raise pending
            deliveries = pending[0]["times_delivered"] if pending else 0
            entry = self.read(partition, lane, entry_id, fields, deliveries)
            # One that is pending no more was settled by somebody since.
            if pending or isinstance(entry, Unreadable):
                entries.append(entry)
        return after, entries

    async def _forget_deleted(self, consumer: str, stream: str, first: str, after: str) -> None:
        """Acknowledge what somebody has deleted while it was pending.

        Redis 6.2 hands it over as a nil, for ever; later ones forget it by themselves.
        """
        last = "+" if after == "0-0" else after
        most = 10 * RECLAIMED_AT_ONCE
        mine = await self.redis.xpending_range(stream, keys.GROUP, first, last, most, consumer)
        names = [each["message_id"] for each in mine]
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.xrange(stream, name, name)
        found = await pipe.execute()
        gone = [name for name, there in zip(names, found, strict=True) if not there]
        if gone:
            await self.redis.xack(stream, keys.GROUP, *gone)

    async def put_aside(self, message: Unreadable) -> None:
        """Take a message that is no entry out of its stream and keep it for a person to look at."""
        fields: dict[Any, Any] = {**message.fields, b"_lane": message.lane, b"_why": message.reason}
        stream = keys.stream(message.partition, message.lane)
        # All or nothing: a full server refuses to keep it, and then it must not be deleted.
        pipe = self.redis.pipeline(transaction=True)
        pipe.xadd(keys.unreadable(message.partition), fields, maxlen=UNREADABLE_KEPT)
        pipe.xack(stream, keys.GROUP, message.entry_id)
        pipe.xdel(stream, message.entry_id)
        await pipe.execute()

    async def leave(self, consumer: str, lanes: Sequence[Lane]) -> None:
        """Take a consumer out of its groups, except where entries are pending in its name."""
        calls = [
            Call(_LEAVE, [keys.stream(partition, lane)], [keys.GROUP, consumer])
            for partition in range(self.partitions)
            for lane in lanes
        ]
        await scripts.run(self.redis, *calls)

    async def tidy(self, living: Collection[str], lanes: Sequence[Lane]) -> int:
        """Take all others out of the groups, except where entries are pending; return how many.

        Those that had something to do within ``FORGOTTEN_AFTER`` may just be starting: they stay.
        """
        gone: set[str] = set()
        for partition in range(self.partitions):
            for lane in lanes:
                gone |= await self._idle(keys.stream(partition, lane)) - set(living)
        for name in gone:
            await self.leave(name, lanes)
        return len(gone)

    async def _idle(self, stream: str) -> set[str]:
        """Consumers of a stream that hold nothing and have long not asked for anything."""
        try:
            found = await self.redis.xinfo_consumers(stream, keys.GROUP)
        except ResponseError as error:
            if is_no_group(error) or "no such key" in str(error):
                return set()
            raise
        return {
            text(each["name"])
            for each in found
            if not each["pending"] and each["idle"] > FORGOTTEN_AFTER * 1000
        }

    async def backlog(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """Entries of each lane that are queued or being priced."""
        pipe = self.redis.pipeline(transaction=False)
        for lane in lanes:
            for partition in range(self.partitions):
                pipe.xlen(keys.stream(partition, lane))
        lengths = iter(await pipe.execute())
        return {lane: sum(next(lengths) for _ in range(self.partitions)) for lane in lanes}

    async def pending(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """Entries of each lane that consumers have; the others of the backlog wait."""
        pipe: Any = self.redis.pipeline(transaction=False)
        for lane in lanes:
            for partition in range(self.partitions):
                pipe.xpending(keys.stream(partition, lane), keys.GROUP)
        # A lane that nobody has served has no group.
        found = iter(await pipe.execute(raise_on_error=False))
        each = {lane: [next(found) for _ in range(self.partitions)] for lane in lanes}
        return {
            lane: sum(told["pending"] for told in streams if isinstance(told, dict))
            for lane, streams in each.items()
        }

    async def oldest(self, lanes: Sequence[Lane]) -> dict[Lane, float]:
        """Seconds since the oldest entry of each lane was queued, by the server's clock; 0 if none.

        What was handed back counts from then.
        """
        pipe = self.redis.pipeline(transaction=False)
        for lane in lanes:
            for partition in range(self.partitions):
                pipe.xrange(keys.stream(partition, lane), count=1)
        first = iter(await pipe.execute())
        seconds, microseconds = await self.redis.time()
        now = seconds + microseconds / 1e6
        found = {lane: [next(first) for _ in range(self.partitions)] for lane in lanes}
        return {
            lane: max((now - _queued(entries) for entries in streams if entries), default=0.0)
            for lane, streams in found.items()
        }


def _batches(entries: Sequence[str]) -> list[Sequence[str]]:
    return [entries[at : at + RENEWED_AT_ONCE] for at in range(0, len(entries), RENEWED_AT_ONCE)]


def _queued(entries: Sequence[tuple[bytes, object]]) -> float:
    return int(entries[0][0].partition(b"-")[0]) / 1000


def is_no_group(result: object) -> bool:
    """Whether the server has lost the stream, and with it everything that was pending."""
    return isinstance(result, ResponseError) and "NOGROUP" in str(result)
