"""The bare round trip: a message through one stream to another process, and back through a second.

What a realtime trade could not be faster than, with the same client library and event loop: no
consumer group, no script, no price.

What may live here: the other process, and the driver of one run.
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from engine.connection import Address, open_redis
from engine.edge import run_async
from engine.group import Answer
from loadtest.latency import Latency
from loadtest.open_loop import offer
from loadtest.processes import Watched, watched

THERE, BACK = "loadtest:there", "loadtest:back"

BLOCK_MS = 500


async def round_trips(url: str, planned: Iterable[float], log_path: Path) -> Latency:
    """Send messages as planned, and measure each from its plan to its return.

    Raises ProcessFailed, in an exception group, if the other process ends.
    """
    command = [sys.executable, "-m", "loadtest.echo_peer", url]
    async with open_redis(Address.parse(url)) as redis:
        await redis.delete(THERE, BACK)
        with watched("the echo", command, log_path) as process:
            trips = _Trips(redis, process)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(trips.read())
                await trips.make(-1)  # When it is back, the other process is there.
                await offer(planned, trips.timed)
                # Not cancelled: a blocking read might not hear of it before Python 3.12.
                trips.ended = True
    return trips.taken


@dataclass(slots=True)
class _Trips:
    """Messages on their way, by number."""

    redis: Redis
    process: Watched
    taken: Latency = field(default_factory=Latency)
    ended: bool = False
    _away: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)

    async def timed(self, number: int, plan: float) -> None:
        await self.make(number)
        self.taken.record(time.perf_counter() - plan)

    async def make(self, number: int) -> None:
        back = self._away[b"%d" % number] = asyncio.get_running_loop().create_future()
        await self.redis.xadd(THERE, {"number": number})
        await back

    async def read(self) -> None:
        after = "0"
        while not self.ended:
            after, numbers = await _read(self.redis, BACK, after)
            for number in numbers:
                self._away.pop(number).set_result(None)
            self.process.check()


async def _echo(url: str) -> None:
    after = "0"
    async with open_redis(Address.parse(url)) as redis:
        with suppress(ConnectionError):  # The server has ended, and so do we.
            while True:
                after, numbers = await _read(redis, THERE, after)
                for number in numbers:
                    await redis.xadd(BACK, {"number": number})


async def _read(redis: Redis, stream: str, after: str) -> tuple[str, list[bytes]]:
    """The last message's name, and what stands in those after one; waits for some."""
    numbers = []
    for _, messages in cast(Answer, await redis.xread({stream: after}, block=BLOCK_MS)):
        for name, fields in messages:
            after = name.decode()
            numbers.append(fields[b"number"])
    return after, numbers


if __name__ == "__main__":
    run_async(_echo, sys.argv[1])
