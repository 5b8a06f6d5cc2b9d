"""Realtime calls and their replies. The one module that speaks to their streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from redis.exceptions import OutOfMemoryError, ResponseError

from engine import keys, scripts
from engine.call import Ask, Call, Moved, Reply, read_call
from engine.connection import text
from engine.entry import Unreadable
from engine.group import Answer, Group, is_no_group
from engine.job import Lane
from engine.scripts import Argument, Script

T = TypeVar("T")

_CALL, _REPLY = Script("call"), Script("reply")
_GIVE_BACK, _WITHDRAW, _CLOCK = Script("give_back"), Script("withdraw"), Script("clock")
_MISSING = Script("missing")

MOST_AT_ONCE = 200
"""Calls or replies in one script: about a millisecond of the server."""

REPLIES_KEPT = 20_000
"""Replies that may wait for one client: some five megabytes, if it reads none."""

REPLIES_LIVE_MS = 60_000
"""From the last reply on, after which a client that has died leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that is queued."""

    entry_id: str
    deadline_ms: int
    """Unix time by the server's clock."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A call that was refused, since so many are queued or being priced."""

    backlog: int


@dataclass(frozen=True, slots=True)
class Calls(Group[Call]):
    """The realtime streams of one server, and the reply streams of the clients.

    A client keeps to one partition for all its calls, chosen by chance, where its replies lie too.
    """

    def read(
        self,
        partition: int,
        lane: Lane,
        entry_id: bytes,
        fields: Mapping[bytes, bytes],
        deliveries: int = 1,
    ) -> Call | Unreadable:
        return read_call(partition, entry_id, fields, deliveries)

    async def send(
        self, partition: int, asks: Sequence[Ask], limit: int
    ) -> list[Sent | Busy | Exception]:
        """Queue calls, unless ``limit`` calls are queued or being priced; what came of each.

        Sent again because the answer was lost, a call may be priced twice and answered twice.
        Raises redis.ConnectionError and redis.TimeoutError as the client does.
        """
        batches = _batches(asks)
        calls = [
            scripts.Call(_CALL, [keys.stream(partition, Lane.REALTIME)], [limit, *_sent(batch)])
            for batch in batches
        ]
        outcomes: list[Sent | Busy | Exception] = []
        for batch, answer in zip(batches, await scripts.run(self.redis, *calls), strict=True):
            if isinstance(answer, Exception):
                outcomes += [_told(answer)] * len(batch)
                continue
            now, *entries, backlog = answer
            for ask, entry in zip(batch, entries, strict=True):
                outcomes.append(
                    Busy(backlog) if entry is None else Sent(entry.decode(), now + ask.ttl_ms)
                )
        return outcomes

    async def withdraw(self, partition: int, entry_id: str) -> bool:
        """Delete a call that nobody has taken yet; False if somebody has, or it has ended."""
        [done] = await self.withdraw_all(partition, [entry_id])
        return done

    async def withdraw_all(self, partition: int, entry_ids: Sequence[str]) -> list[bool]:
        """Withdraw several calls; each by itself, in one exchange."""
        stream = keys.stream(partition, Lane.REALTIME)
        calls = [scripts.Call(_WITHDRAW, [stream], [keys.GROUP, entry]) for entry in entry_ids]
        answers = await scripts.run(self.redis, *calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return list(map(bool, answers))

    async def missing(self, partition: int, entry_ids: Sequence[str]) -> list[str]:
        """Those of the entries that are not in the stream: answered, handed back, or lost."""
        stream = keys.stream(partition, Lane.REALTIME)
        calls = [scripts.Call(_MISSING, [stream], batch) for batch in _batches(entry_ids)]
        missing: list[str] = []
        for answer in await scripts.run(self.redis, *calls):
            if isinstance(answer, Exception):
                raise answer
            missing += [entry_id.decode() for entry_id in answer]
        return missing

    async def answer(self, replies: Sequence[tuple[Call, Reply]]) -> list[int | Exception]:
        """End calls: 1 done, 0 no longer pending, or what went wrong, in the order given.

        Raises redis.ConnectionError and redis.TimeoutError as the client does.
        """
        by_client: dict[tuple[int, str], list[int]] = {}
        for at, (call, _) in enumerate(replies):
            by_client.setdefault((call.partition, call.client), []).append(at)
        batches = [batch for places in by_client.values() for batch in _batches(places)]
        calls = [_reply([replies[at] for at in batch]) for batch in batches]
        outcomes: list[int | Exception] = [0] * len(replies)
        for batch, answer in zip(batches, await scripts.run(self.redis, *calls), strict=True):
            if isinstance(answer, Exception):
                answer = [0 if is_no_group(answer) else _told(answer)] * len(batch)
            for at, outcome in zip(batch, answer, strict=True):
                outcomes[at] = outcome
        return outcomes

    async def hand_back(self, consumer: str, calls: Sequence[Call]) -> None:
        """Give calls back unpriced, to be delivered to others at once; costs no attempt.

        What is suspect stays so, and the clients are told where their calls are now. What the
        consumer has lost is left to whoever has it now.
        """
        todo = [
            scripts.Call(
                _GIVE_BACK,
                [call.stream, keys.replies(call.partition, call.client)],
                [
                    keys.GROUP,
                    consumer,
                    call.entry_id,
                    call.spent,
                    call.delivered - 1,
                    REPLIES_KEPT,
                    REPLIES_LIVE_MS,
                ],
            )
            for call in calls
        ]
        for result in await scripts.run(self.redis, *todo):
            if isinstance(result, Exception) and not is_no_group(result):
                raise result

    async def replies(
        self, partition: int, client: str, after: str, block_ms: int | None, count: int
    ) -> tuple[str, list[Reply]]:
        """The replies among a client's news, otherwise as ``news``."""
        after, found = await self.news(partition, client, after, block_ms, count)
        return after, [reply for reply in found if isinstance(reply, Reply)]

    async def news(
        self, partition: int, client: str, after: str, block_ms: int | None, count: int
    ) -> tuple[str, list[Reply | Moved]]:
        """What a client is told after some news, ``0`` for the first; waits up to ``block_ms``.

        Returns the last one's name and what could be read of them.
        """
        answer = await self.redis.xread(
            {keys.replies(partition, client): after}, count=count, block=block_ms
        )
        found: list[Reply | Moved] = []
        for _, messages in cast(Answer, answer):
            for entry_id, fields in messages:
                after = entry_id.decode()
                if b"moved" in fields:
                    names = (text(fields.get(name, b"")) for name in (b"moved", b"was", b"entry"))
                    found.append(Moved(*names))
                    continue
                try:
                    found.append(Reply.from_json(fields.get(b"reply", b"")))
                except ValueError:
                    continue  # Nobody's: whoever waits is told of his deadline.
        return after, found

    async def forget(self, partition: int, client: str) -> None:
        """Delete what was answered to a client that leaves."""
        await self.redis.unlink(keys.replies(partition, client))

    async def queued_ever(self) -> int | None:
        """Calls that were queued since their streams were made, those handed back again.

        None where the server does not count them, which Redis does from 7.0 on.
        """
        pipe = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipe.xinfo_stream(keys.stream(partition, Lane.REALTIME))
        total = 0
        for info in await pipe.execute(raise_on_error=False):
            if isinstance(info, ResponseError) and "no such key" in str(info):
                continue
            if not isinstance(info, dict) or "entries-added" not in info:
                return None
            total += int(info["entries-added"])
        return total

    async def server_time(self, partition: int) -> float:
        """Unix time in seconds by the clock of the server that a partition lies on.

        The one by which deadlines and the names of entries count.
        """
        call = scripts.Call(_CLOCK, [keys.stream(partition, Lane.REALTIME)], [])
        return float(await scripts.run_one(self.redis, call))


def _batches(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[at : at + MOST_AT_ONCE] for at in range(0, len(items), MOST_AT_ONCE)]


def _sent(asks: Sequence[Ask]) -> list[Argument]:
    arguments: list[Argument] = []
    for ask in asks:
        arguments += (ask.call, ask.client, ask.trade, ask.request, ask.ttl_ms, ask.traceparent)
    return arguments


def _reply(replies: Sequence[tuple[Call, Reply]]) -> scripts.Call:
    """One script for calls of the same client."""
    call, _ = replies[0]
    arguments: list[Argument] = [keys.GROUP, REPLIES_KEPT, REPLIES_LIVE_MS]
    for each, reply in replies:
        arguments += (each.entry_id, reply.to_json())
    return scripts.Call(_REPLY, [call.stream, keys.replies(call.partition, call.client)], arguments)


def _told(error: Exception) -> Exception:
    """An error of a script as the command's own."""
    # Redis 6.2 wraps what a command within a script was answered.
    if isinstance(error, ResponseError) and "OOM command not allowed" in str(error):
        return OutOfMemoryError(str(error))
    return error
