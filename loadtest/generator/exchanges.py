"""The light post: many calls in one exchange with the server, and one reader of all answers.

It speaks as a realtime client does (``engine.calls``), with none of a client's waiting callers: a
call costs it some tens of microseconds. Unlike a client it does not send again what a server has
lost.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisClusterException, RedisError

from engine.backoff import delay
from engine.call import Ask, Reply
from engine.calls import REPLIES_KEPT, Busy, Sent
from engine.connection import passes
from engine.grid import Grid
from loadtest.generator.ledger import Made
from loadtest.generator.sender import MOST_AT_ONCE, Course, end

MOST_READ = 50
"""Replies read in one: half a millisecond, for which nothing can be sent."""

MOST_READ_BEHIND = 200
"""Where more wait than that, lest they wait for longer and longer."""

MOST_EXCHANGES = 8
"""In which calls are being sent at a time."""

WAIT_MS = 200
"""A blocking read ends after so long."""


@dataclass(slots=True)
class Exchanges:
    """The post of one generator on one grid."""

    grid: Grid
    course: Course
    client: str = field(default_factory=lambda: f"load-{secrets.token_hex(8)}")
    _to_send: deque[Made] = field(default_factory=deque)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def partitions(self) -> int:
        return self.grid.partitions

    def send(self, due: Sequence[Made]) -> None:
        self._to_send.extend(due)
        self._start_exchange()

    def unsent(self) -> int:
        return len(self._to_send) + len(self._sending)

    def reading(self) -> Sequence[Awaitable[None]]:
        return [self._read(partition) for partition in range(self.grid.partitions)]

    async def withdraw(self, late: Sequence[Made]) -> None:
        by_partition: dict[int, list[Made]] = {}
        for made in late:
            if made.entry_id is not None:
                by_partition.setdefault(made.partition, []).append(made)
        for partition, calls in by_partition.items():
            entries = [str(made.entry_id) for made in calls]
            done = await self.grid.calls.withdraw_all(partition, entries)
            gone = [made for made, away in zip(calls, done, strict=True) if away]
            self.course.ledger.withdrawn(gone)

    async def leave(self) -> None:
        await end(list(self._sending))
        # What waits still, behind exchanges that have not ended, has no price either.
        now = self.course.now()
        while self._to_send:
            self.course.ledger.unsent(self._to_send.popleft(), now)

    async def forget(self) -> None:
        """Delete what was answered."""
        for partition in range(self.grid.partitions):
            await self.grid.calls.forget(partition, self.client)

    def _start_exchange(self) -> None:
        # Several, so that what is due does not wait for the answer to what was sent before.
        if self._to_send and len(self._sending) < MOST_EXCHANGES:
            task = asyncio.create_task(self._exchange())
            self._sending.add(task)
            task.add_done_callback(self._exchanged)

    def _exchanged(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not self.course.ended:
            self._start_exchange()

    async def _exchange(self) -> None:
        """Send what waits, and again what a server that was away has not got."""
        batch = [self._to_send.popleft() for _ in range(min(len(self._to_send), MOST_AT_ONCE))]
        failures = 0
        while batch and not self.course.ended:
            now, by_partition = self.course.now(), dict[int, list[Made]]()
            for made in batch:
                if self.course.ledger.may_send(made, now):
                    by_partition.setdefault(made.partition, []).append(made)
            batch = []
            for partition, part in by_partition.items():
                batch += await self._send(partition, part)
            if batch:
                await asyncio.sleep(delay(failures))
                failures += 1

    async def _send(self, partition: int, batch: Sequence[Made]) -> list[Made]:
        """Send calls; returns those that must be sent again."""
        ledger = self.course.ledger
        left = ledger.deadline - self.course.now()
        asks = [
            Ask(
                made.name,
                self.client,
                made.asked.trade,
                made.asked.request,
                max(1, round((made.plan + left) * 1000)),
            )
            for made in batch
        ]
        results: Sequence[Sent | Busy | Exception]
        try:
            results = await self.grid.calls.send(partition, asks, REPLIES_KEPT)
        except (RedisError, RedisClusterException) as error:
            results = [error] * len(asks)
        again, now = [], self.course.now()
        for made, result in zip(batch, results, strict=True):
            match result:
                case Sent():
                    ledger.queued(made, result.entry_id, now)
                case Busy():
                    ledger.fail(made, "Busy", now)
                case _ if passes(result):
                    again.append(made)
                case _:
                    ledger.fail(made, "Refused", now)
        return again

    async def _read(self, partition: int) -> None:
        """Read answers until told to end."""
        after, failures, count = "0", 0, MOST_READ
        while not self.course.ended:
            try:
                after, news = await self.grid.calls.news(
                    partition, self.client, after, WAIT_MS, count
                )
            except (RedisError, RedisClusterException):
                await asyncio.sleep(delay(failures))
                failures += 1
                continue
            failures, now = 0, self.course.now()
            count = MOST_READ_BEHIND if len(news) >= MOST_READ else MOST_READ
            for each in news:
                if isinstance(each, Reply):
                    self.course.ledger.answer(each, now)
                else:
                    self.course.ledger.move(each)
