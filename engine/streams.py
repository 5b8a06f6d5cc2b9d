"""The streams: entries queued, taken, leased, settled. The one module that speaks to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from engine import keys, scripts
from engine.connection import text
from engine.entry import Chunks, Entry, Settlement, Unreadable, read_entry
from engine.job import Job, Lane
from engine.scripts import Call, Script

_ENQUEUE, _SETTLE, _RENEW = Script("enqueue"), Script("settle"), Script("renew")
_REPLACE, _SWEEP, _LEAVE = Script("replace"), Script("sweep"), Script("leave")

Reply = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]
"""What XREADGROUP answers: for each stream its messages, each an ID and its fields."""

SWEEP_PAGE = 1000
"""Entries looked at in one call when a job's entries are deleted: about a millisecond of Redis."""

UNREADABLE_KEPT = 1000
"""Entries that nobody could read are kept up to this number, for a person to look at."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one server."""

    redis: Redis
    partitions: int

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

    async def enqueue(self, job: Job, chunks: Chunks, submitter: str) -> bool:
        """Queue chunks; False if somebody else has submitted, resumed or cancelled meanwhile.

        ``submitter`` is a name of the caller's own, by which a call that the client repeats because
        its answer was lost is known. Raises OutOfMemoryError if the server is full.
        """
        manifest: list[str | int] = []
        for number, ids in chunks.manifest.items():
            manifest += [number, ids]
        call = Call(
            _ENQUEUE,
            [
                keys.stream(chunks.partition, job.lane),
                keys.counts(chunks.partition, job.name),
                keys.manifest(chunks.partition, job.name),
            ],
            [
                submitter,
                job.name,
                chunks.epoch,
                chunks.submitted_before,
                chunks.trades,
                job.expires_at,
                len(chunks.ids),
                *chunks.ids,
                *manifest,
            ],
        )
        try:
            return bool(await scripts.run_one(self.redis, call))
        except ResponseError as error:
            # Redis 6.2 wraps what a command within a script was answered.
            if "OOM command not allowed" in str(error):
                raise OutOfMemoryError(str(error)) from error
            raise

    async def take(
        self, consumer: str, partition: int, lanes: Sequence[Lane], count: int, block_ms: int | None
    ) -> list[Entry | Unreadable]:
        """Take up to ``count`` new entries of each lane; wait up to ``block_ms`` if there are none.

        A lane that has never been used, or was lost with the server's data, is made.
        """
        by_key = {keys.stream(partition, lane): lane for lane in lanes}
        try:
            reply = await self.redis.xreadgroup(
                keys.GROUP, consumer, dict.fromkeys(by_key, ">"), count=count, block=block_ms
            )
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            await self.ensure_groups(lanes)
            return []
        return [
            read_entry(partition, by_key[text(key)], entry_id, fields)
            for key, messages in cast(Reply, reply)
            for entry_id, fields in messages
        ]

    async def settle(self, settlements: Sequence[Settlement]) -> list[int | Exception]:
        """Settle entries: 1 done, 0 no longer pending, -1 of a past epoch, or what went wrong."""
        results = await scripts.run(self.redis, *map(_settle, settlements))
        return [0 if _is_no_group(result) else result for result in results]

    async def renew(self, consumer: str, entries: Sequence[Entry]) -> list[Entry]:
        """Renew the leases of entries; return those that the consumer has lost."""
        by_stream: dict[str, dict[str, Entry]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, {})[entry.entry_id] = entry
        calls = [
            Call(_RENEW, [stream], [keys.GROUP, consumer, *ids])
            for stream, ids in by_stream.items()
        ]
        lost: list[Entry] = []
        for ids, result in zip(
            by_stream.values(), await scripts.run(self.redis, *calls), strict=True
        ):
            if _is_no_group(result):
                lost += ids.values()
            elif isinstance(result, Exception):
                raise result
            else:
                lost += [ids[text(entry_id)] for entry_id in result]
        return lost

    async def reclaim(
        self, consumer: str, partition: int, lane: Lane, lease_ms: int, cursor: str, count: int
    ) -> tuple[str, list[Entry | Unreadable]]:
        """Take over entries whose lease has lapsed, from a cursor on.

        Returns the cursor for the next call, ``0-0`` after the last stretch, and the entries with
        their deliveries. Each call costs the server a bounded stretch of the pending entries.
        """
        stream = keys.stream(partition, lane)
        try:
            reply = await self.redis.xautoclaim(
                stream, keys.GROUP, consumer, lease_ms, start_id=cursor, count=count
            )
        except ResponseError as error:
            if not _is_no_group(error):
                raise
            return "0-0", []
        # Redis 6.2 answers with a nil for an entry that was deleted while pending.
        messages = [message for message in reply[1] if message[0] is not None]
        pipe = self.redis.pipeline(transaction=False)
        for entry_id, _ in messages:
            pipe.xpending_range(stream, keys.GROUP, entry_id, entry_id, 1)
        found = await pipe.execute(raise_on_error=False)
        entries: list[Entry | Unreadable] = []
        for (entry_id, fields), pending in zip(messages, found, strict=True):
            if isinstance(pending, Exception):
                if _is_no_group(pending):
                    continue  # All that was pending is gone, just now.
                raise pending
            entry = read_entry(partition, lane, entry_id, fields)
            if isinstance(entry, Unreadable):
                entries.append(entry)
            elif pending:  # else somebody has settled it since
                entries.append(replace(entry, deliveries=pending[0]["times_delivered"]))
        return reply[0].decode(), entries

    async def hand_back(self, entries: Sequence[Entry]) -> None:
        """Give entries back unpriced, to be delivered to others at once; costs no attempt."""
        calls = [_replace(entry, [entry.ids], entry.spent) for entry in entries]
        await self._replace_all(calls)

    async def replace(self, entry: Entry, parts: Sequence[str], spent: int) -> None:
        """Put entries with parts of its IDs in the place of an entry, after ``spent`` attempts."""
        await self._replace_all([_replace(entry, parts, spent)])

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

    async def sweep(self, job: Job, partition: int) -> int:
        """Delete a job's entries of earlier epochs; return how many there were."""
        first, deleted = "-", 0
        while True:
            last, found = await scripts.run_one(
                self.redis,
                Call(
                    _SWEEP,
                    [keys.stream(partition, job.lane), keys.counts(partition, job.name)],
                    [keys.GROUP, job.name, first, SWEEP_PAGE],
                ),
            )
            deleted += int(found)
            if last is None:
                return deleted
            first = f"({last.decode()}"

    async def leave(self, consumer: str, lanes: Sequence[Lane]) -> None:
        """Take a consumer out of its groups, except where entries are pending in its name."""
        calls = [
            Call(_LEAVE, [keys.stream(partition, lane)], [keys.GROUP, consumer])
            for partition in range(self.partitions)
            for lane in lanes
        ]
        await scripts.run(self.redis, *calls)

    async def backlog(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """Entries of each lane that are queued or being priced."""
        pipe = self.redis.pipeline(transaction=False)
        for lane in lanes:
            for partition in range(self.partitions):
                pipe.xlen(keys.stream(partition, lane))
        lengths = iter(await pipe.execute())
        return {lane: sum(next(lengths) for _ in range(self.partitions)) for lane in lanes}

    async def _replace_all(self, calls: Sequence[Call]) -> None:
        for result in await scripts.run(self.redis, *calls):
            if isinstance(result, Exception) and not _is_no_group(result):
                raise result


def _settle(settlement: Settlement) -> Call:
    entry = settlement.entry
    records: list[str | bytes | int] = []
    for number, lines in settlement.records.items():
        records += [number, lines]
    return Call(
        _SETTLE,
        [
            entry.stream,
            keys.counts(entry.partition, entry.job),
            keys.results(entry.partition, entry.job),
        ],
        [
            keys.GROUP,
            entry.entry_id,
            entry.epoch,
            settlement.expires_at,
            settlement.priced,
            settlement.rejected,
            settlement.dead,
            settlement.expired,
            *records,
        ],
    )


def _replace(entry: Entry, parts: Sequence[str], spent: int) -> Call:
    return Call(
        _REPLACE,
        [entry.stream, keys.counts(entry.partition, entry.job)],
        [keys.GROUP, entry.entry_id, entry.job, entry.epoch, spent, *parts],
    )


def is_damage(error: Exception) -> bool:
    """Whether somebody has put something else under our keys."""
    return isinstance(error, ValueError) or (
        isinstance(error, ResponseError) and "WRONGTYPE" in str(error)
    )


def _is_no_group(result: object) -> bool:
    """Whether the server has lost the stream, and with it everything that was pending."""
    return isinstance(result, ResponseError) and "NOGROUP" in str(result)
