"""Jobs by taskiq: a task for each chunk, whose message carries the trades' terms.

On a server of the test's own, which takes with it what is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from engine.job import Lane
from engine.outcome import Counts
from loadtest.drivers.taskiq_tasks import CALLS, CHUNK, JOBS, RESULTS, broker_at, opened
from loadtest.generator.calls import trades_for
from loadtest.scenario import BulkPart
from producer.client_asks import Asked, encode_asked

AT_ONCE = 50
"""Tasks sent at a time."""

AHEAD = 0.5
"""Of a job that is left when the next one is queued, as on the grid."""


@dataclass(slots=True)
class TaskiqJobs:
    """Keeps jobs running, as ``loadtest.run.background.Background`` does on the grid."""

    redis: Redis
    url: str
    part: BulkPart
    seed: int
    counts: Counts = field(default_factory=Counts)
    lost: int = 0
    """Trades of tasks that were acknowledged and have no result; known at the end."""
    _submitted: int = 0
    _tasks: int = 0

    async def begin(self) -> None:
        """Queue the first job."""
        await self._submit()
        await self.look()

    async def look(self) -> None:
        """See how far it is, and queue the next job in time."""
        ended = min(await self._acknowledged() * self.part.chunk, self._submitted)
        self.counts = Counts(submitted=self._submitted, priced=ended)
        if self.counts.in_flight < AHEAD * self.part.trades:
            await self._submit()

    async def end(self, *, audit: bool) -> Counts:
        """Add up; with ``audit``, find what was acknowledged and has no result."""
        await self.look()
        if audit:
            found = 0
            async for _ in self.redis.scan_iter(f"{RESULTS}:{JOBS}-*", count=1000):
                found += 1
            self.lost = max(await self._acknowledged() - found, 0) * self.part.chunk
        # What is queued goes with the server.
        done = self.counts.priced
        self.counts = Counts(self._submitted, done, cancelled=self._submitted - done)
        return self.counts

    async def _acknowledged(self) -> int:
        """Tasks."""
        group = await group_of(self.redis, JOBS)
        return int(group.get("entries-read") or 0) - int(group.get("pending", 0))

    async def _submit(self) -> None:
        part = self.part
        asked = Asked(
            algorithm=part.algorithm,
            seed=self.seed,
            paths=part.paths,
            accuracy=part.accuracy,
            options=part.options,
        )
        request = orjson.loads(encode_asked(asked))
        trades = trades_for(part.algorithm, self.seed, part.trades)
        chunks = [trades[at : at + part.chunk] for at in range(0, len(trades), part.chunk)]
        async with opened(broker_at(self.url)) as broker:
            for start in range(0, len(chunks), AT_ONCE):
                async with anyio.create_task_group() as group:
                    for chunk in chunks[start : start + AT_ONCE]:
                        self._tasks += 1
                        name = f"{JOBS}-{self._tasks}"
                        group.start_soon(_send, broker.find_task(CHUNK), name, chunk, request)
        self._submitted += len(trades)


async def _send(task: Any, name: str, chunk: object, request: object) -> None:
    await task.kicker().with_task_id(name).with_labels(queue_name=JOBS).kiq(chunk, request)


@dataclass(slots=True)
class TaskiqQueues:
    """What is queued, as ``loadtest.run.gauges.GridQueues`` tells it of the grid."""

    redis: Redis

    async def backlog(self) -> Mapping[Lane, int]:
        """Tasks queued or being worked at."""
        calls, jobs = await group_of(self.redis, CALLS), await group_of(self.redis, JOBS)
        return {Lane.REALTIME: _left(calls), Lane.HIGH: 0, Lane.BULK: _left(jobs)}

    async def pending(self) -> int:
        """Tasks that workers have."""
        groups = [await group_of(self.redis, stream) for stream in (CALLS, JOBS)]
        return sum(int(group.get("pending", 0)) for group in groups)


async def group_of(redis: Redis, stream: str) -> Mapping[str, Any]:
    """What the server knows of the workers' group at a stream; {} before there is one."""
    try:
        [group] = await redis.xinfo_groups(stream)
    except ResponseError:
        return {}
    return dict(group)


def _left(group: Mapping[str, Any]) -> int:
    return int(group.get("lag") or 0) + int(group.get("pending", 0))
