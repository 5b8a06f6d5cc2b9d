"""The sender: makes calls when it was planned, many in one exchange, and reads what comes of them.

It speaks as a realtime client does (``engine.calls``), with none of a client's waiting callers: a
call costs it some tens of microseconds. Unlike a client it does not send again what a server has
lost.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisClusterException, RedisError

from engine.backoff import delay
from engine.call import Ask, Reply
from engine.calls import REPLIES_KEPT, Busy, Sent
from engine.connection import passes
from engine.grid import Grid
from loadtest.generator.alarm import Alarm
from loadtest.generator.calls import Prepared
from loadtest.generator.ledger import GRACE, Ledger, Made

TICK = 0.0005
"""Seconds: what becomes due within so long of a call goes with the next ones."""

MOST_AT_ONCE = 200
"""Calls sent in one exchange."""

MOST_READ = 50
"""Replies read in one: half a millisecond, for which nothing can be sent."""

MOST_EXCHANGES = 8
"""In which calls are being sent at a time."""

WAIT_MS = 200
"""A blocking read ends after so long."""

LAST_ANSWERS = 5.0
"""Seconds after the last deadline in which consumers must have told what became of late calls."""

LOOK = 0.05
"""Seconds between looks at whose deadline has passed."""


@dataclass(slots=True)
class Sender:
    """Sends one generator's calls to one grid."""

    grid: Grid
    start: float
    """When the measurement begins, by ``time.perf_counter``."""
    ledger: Ledger
    ended: bool = False
    """Whether there is no more to be sent; may be set from outside."""
    client: str = field(default_factory=lambda: f"load-{secrets.token_hex(8)}")
    _to_send: deque[Made] = field(default_factory=deque)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    def now(self) -> float:
        """Seconds from the beginning of the measurement."""
        return time.perf_counter() - self.start

    async def run(self, planned: Iterator[float], asked: Iterator[Prepared], alarm: Alarm) -> None:
        """Make all calls and wait for their answers, or until each deadline."""
        reading = [asyncio.create_task(self._read(p)) for p in range(self.grid.partitions)]
        looking = asyncio.create_task(self._look())
        try:
            await self._send_all(planned, asked, alarm)
            await self._until_none(self._under_way, self.ledger.deadline + 2 * GRACE)
            await self._withdraw()
            await self._until_none(self.ledger.late, LAST_ANSWERS)
            self.ledger.close(self.now())
        finally:
            self.ended = True
            await _end([looking, *reading, *self._sending])

    async def forget(self) -> None:
        """Delete what was answered."""
        for partition in range(self.grid.partitions):
            await self.grid.calls.forget(partition, self.client)

    async def _send_all(
        self, planned: Iterator[float], asked: Iterator[Prepared], alarm: Alarm
    ) -> None:
        number, partitions = 0, self.grid.partitions
        plan = next(planned, None)
        while plan is not None and not self.ended:
            await alarm.wait(max(plan - self.now(), TICK))
            now, due = self.now(), 0
            while plan is not None and plan <= now and due < MOST_AT_ONCE:
                number, due = number + 1, due + 1
                made = Made(f"{number % partitions}-{number}", plan, next(asked))
                self.ledger.due(made, now)
                self._to_send.append(made)
                plan = next(planned, None)
            self._start_exchange()

    def _start_exchange(self) -> None:
        # Several, so that what is due does not wait for the answer to what was sent before.
        if self._to_send and len(self._sending) < MOST_EXCHANGES:
            task = asyncio.create_task(self._exchange())
            self._sending.add(task)
            task.add_done_callback(self._exchanged)

    def _exchanged(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not self.ended:
            self._start_exchange()

    async def _exchange(self) -> None:
        """Send what waits, and again what a server that was away has not got."""
        batch = [self._to_send.popleft() for _ in range(min(len(self._to_send), MOST_AT_ONCE))]
        failures = 0
        while batch and not self.ended:
            now, by_partition = self.now(), dict[int, list[Made]]()
            for made in batch:
                if self.ledger.may_send(made, now):
                    by_partition.setdefault(made.partition, []).append(made)
            batch = []
            for partition, part in by_partition.items():
                batch += await self._send(partition, part)
            if batch:
                await asyncio.sleep(delay(failures))
                failures += 1

    async def _send(self, partition: int, batch: Sequence[Made]) -> list[Made]:
        """Send calls; returns those that must be sent again."""
        left = self.ledger.deadline - self.now()
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
        again, now = [], self.now()
        for made, result in zip(batch, results, strict=True):
            match result:
                case Sent():
                    self.ledger.queued(made, result.entry_id, now)
                case Busy():
                    self.ledger.fail(made, "Busy", now)
                case _ if passes(result):
                    again.append(made)
                case _:
                    self.ledger.fail(made, "Refused", now)
        return again

    async def _read(self, partition: int) -> None:
        """Read answers until told to end."""
        after, failures = "0", 0
        while not self.ended:
            try:
                after, news = await self.grid.calls.news(
                    partition, self.client, after, WAIT_MS, MOST_READ
                )
            except (RedisError, RedisClusterException):
                await asyncio.sleep(delay(failures))
                failures += 1
                continue
            failures, now = 0, self.now()
            for each in news:
                if isinstance(each, Reply):
                    self.ledger.answer(each, now)
                else:
                    self.ledger.move(each)

    async def _look(self) -> None:
        """Give calls up at their deadlines."""
        while True:
            await asyncio.sleep(LOOK)
            self.ledger.give_up_late(self.now())

    def _under_way(self) -> int:
        return len(self.ledger.waiting) + len(self._to_send) + len(self._sending)

    async def _until_none(self, count: Callable[[], int], seconds: float) -> None:
        until = self.now() + seconds
        while count() and self.now() < until and not self.ended:  # noqa: ASYNC110 - of many
            await asyncio.sleep(LOOK)

    async def _withdraw(self) -> None:
        """Take back the late calls that nobody has taken."""
        by_partition: dict[int, list[Made]] = {}
        for made in self.ledger.overdue.values():
            if made.entry_id is not None:
                by_partition.setdefault(made.partition, []).append(made)
        for partition, calls in by_partition.items():
            entries = [str(made.entry_id) for made in calls]
            done = await self.grid.calls.withdraw_all(partition, entries)
            self.ledger.withdrawn([made for made, gone in zip(calls, done, strict=True) if gone])


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have heard of it: asyncio.wait_for may lose a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
