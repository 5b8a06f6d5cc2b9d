"""Faults of processes: killed, frozen, told to leave, and with a clock that is wrong."""

import signal
import time
from contextlib import suppress

from redis.exceptions import ResponseError

from engine import keys
from engine.job import Lane
from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.ground import Ground
from loadtest.chaos.patience import patiently, until
from loadtest.chaos.seats import Consumer, Seat

TAKEN_OVER = 60.0
"""Seconds in which others should have what a consumer held that was killed."""


async def held(ground: Ground, name: str) -> int:
    """How many entries of the bulk lane are pending in the name of a consumer."""
    count, pending = 0, ground.grid.redis.xpending_range
    for partition in range(ground.grid.partitions):
        stream = keys.stream(partition, Lane.BULK)
        with suppress(ResponseError):  # There is no group yet, after all was lost.
            count += len(await patiently(pending, stream, keys.GROUP, "-", "+", 1000, name))
    return count


class Kill(Striking):
    """SIGKILL; measures how long it takes others to take over what it held."""

    async def strike(self) -> str:
        consumer = self.ground.consumer(self.target)
        if consumer is None or consumer.name is None:
            return ""
        # Frozen first, so that what it holds can be counted.
        consumer.send(signal.SIGSTOP)
        count = await held(self.ground, consumer.name)
        consumer.send(signal.SIGKILL)
        if count:
            self.ground.tending.start_soon(self._measure, consumer.name)
        return f"killed consumer {consumer.pid}, which held {count} entries"

    async def _measure(self, name: str) -> None:
        began = time.monotonic()

        async def none_held() -> bool:
            return await held(self.ground, name) == 0

        if await until(none_held, TAKEN_OVER):
            self.ground.recoveries.append(time.monotonic() - began)


class Freeze(Striking):
    """SIGSTOP past the lease; then it wakes and settles what others have settled."""

    _frozen: Consumer | None = None

    async def strike(self) -> str:
        consumer = self.ground.consumer(self.target)
        if consumer is None:
            return ""
        consumer.send(signal.SIGSTOP)
        self.ground.frozen.add(consumer.pid)
        self._frozen = consumer
        return f"froze consumer {consumer.pid}"

    async def heal(self) -> None:
        if self._frozen is not None:
            self.ground.frozen.discard(self._frozen.pid)
            self._frozen.send(signal.SIGCONT)


class Term(Striking):
    """SIGTERM: it hands back what it holds, and leaves."""

    async def strike(self) -> str:
        consumer = self.ground.consumer(self.target)
        if consumer is None or not consumer.leave():
            return ""
        return f"told consumer {consumer.pid} to leave"


class Clock(Striking):
    """A wall clock that jumps."""

    async def strike(self) -> str:
        consumer = self.ground.consumer(self.target)
        if consumer is None:
            return ""
        consumer.send(signal.SIGUSR2)
        return f"set the clock of consumer {consumer.pid}"


class Version(Striking):
    """A consumer of another version takes a seat for a while."""

    _seat: Seat | None = None

    async def strike(self) -> str:
        seats = [seat for seat in self.ground.seats.seats if seat.number != self.ground.spared]
        self._seat = seats[self.target % len(seats)]
        self._seat.python_path = self.ground.other_version
        await self._change()
        return f"gave seat {self._seat.number} to another version"

    async def heal(self) -> None:
        if self._seat is not None:
            self._seat.python_path = None
            await self._change()

    async def _change(self) -> None:
        assert self._seat is not None
        if self._seat.consumer is not None:
            self._seat.consumer.leave()
