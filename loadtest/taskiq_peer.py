"""The peer: the same trades as no-op tasks through taskiq-redis, one task each.

Configured as well as its documentation and a trial of its options allow: the stream broker, which
acknowledges and redelivers as we do; orjson for messages and results, uvloop (its worker takes it
where it is installed) and hiredis; one worker process, no parameter parsing, logs of warnings only.
20 tasks at once, 100 more fetched ahead and as many connections as tasks were faster in trials, by
a fifth and more, than its defaults: 100 tasks, none ahead, a connection for each. A task is
acknowledged when its result is saved, its default. Its stream is filled before the worker starts,
as ours is.

What may live here: its broker, which its worker imports as well, and the driver of one run. Needs
``taskiq-redis``, which only developers have.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from redis.asyncio import Redis
from taskiq import AsyncBroker
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from loadtest.processes import ProcessFailed, Watched, watched

TASK, QUEUE, RESULT_PREFIX = "noop", "taskiq", "result"

CONNECTIONS = 20
WORKER_OPTIONS = (
    *("--workers", "1"),
    *("--max-async-tasks", str(CONNECTIONS)),
    *("--max-prefetch", "100"),
    *("--log-level", "WARNING"),
    "--no-parse",
)

SENT_AT_ONCE = 50
POLL_SECONDS = 0.02
PATIENCE = 60.0
"""Seconds without progress after which the worker is given up."""


def broker() -> AsyncBroker:
    """The broker, for the worker: it calls this with nothing but its environment."""
    return broker_at(os.environ["AZFINSIM_REDIS_URL"])


def broker_at(url: str) -> AsyncBroker:
    """The broker and its one task."""
    backend: RedisAsyncResultBackend[None] = RedisAsyncResultBackend(
        url,
        max_connection_pool_size=CONNECTIONS,
        serializer=ORJSONSerializer(),
        prefix_str=RESULT_PREFIX,
    )
    made = (
        RedisStreamBroker(
            url, queue_name=QUEUE, consumer_id="0", max_connection_pool_size=CONNECTIONS
        )
        .with_result_backend(backend)
        .with_serializer(ORJSONSerializer())
    )

    @made.task(task_name=TASK)
    async def noop(trade: dict[str, Any]) -> None:
        """Price nothing."""

    return made


async def peer_rate(
    redis: Redis, url: str, trades: Sequence[dict[str, object]], log_path: Path
) -> float:
    """Put each trade through as one task; returns tasks a second of one worker process.

    From the moment when the first were acknowledged to the last, so that its start does not count.
    Raises ProcessFailed if a task is not done, or has no result.
    """
    await _send(url, trades)
    options = ["worker", "loadtest.taskiq_peer:broker", *WORKER_OPTIONS]
    with watched("the taskiq worker", "taskiq", options, url, log_path) as worker:
        began, before = await _done(redis, worker, 1)
        ended, _ = await _done(redis, worker, len(trades))
        results = 0
        async for _ in redis.scan_iter(f"{RESULT_PREFIX}:*", count=1000):
            results += 1
    if results != len(trades):
        raise ProcessFailed(f"taskiq has {results} results of {len(trades)} tasks")
    return (len(trades) - before) / (ended - began)


async def _send(url: str, trades: Sequence[dict[str, object]]) -> None:
    sender = broker_at(url)
    await sender.startup()
    task = sender.find_task(TASK)
    assert task is not None
    try:
        for start in range(0, len(trades), SENT_AT_ONCE):
            async with anyio.create_task_group() as group:
                for trade in trades[start : start + SENT_AT_ONCE]:
                    group.start_soon(task.kiq, trade)
    finally:
        await sender.shutdown()


async def _done(redis: Redis, worker: Watched, count: int) -> tuple[float, int]:
    """Wait until ``count`` tasks are acknowledged; returns the time and how many there are."""
    last, since = 0, time.monotonic()
    while True:
        [group] = await redis.xinfo_groups(QUEUE)
        done = int(group["entries-read"] or 0) - int(group["pending"])
        now = time.monotonic()
        if done >= count:
            return now, done
        if done > last:
            last, since = done, now
        worker.check()
        if now - since > PATIENCE:
            raise ProcessFailed(f"{worker.what} is stuck: {worker.last_words()}")
        await anyio.sleep(POLL_SECONDS)
