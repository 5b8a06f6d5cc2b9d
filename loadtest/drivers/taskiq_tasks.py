"""taskiq-redis as a peer: its broker, and tasks that price with the grid's own pricers.

The stream broker, which acknowledges and redelivers as the grid does; orjson for messages and
results. Calls and jobs have a stream each, both read by every worker: taskiq knows no priorities.
Needs ``taskiq-redis``, which only developers have.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from taskiq import AsyncBroker
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from engine.blocks import from_rows
from engine.chunk import price_trades
from engine.pricing import registry
from engine.pricing.pricer import Request

CALLS, JOBS, GROUP = "loadtest:taskiq:calls", "loadtest:taskiq:jobs", "taskiq"

RESULTS = "loadtest:taskiq:results"
"""The beginning of their keys."""

RESULT_SECONDS = 600
"""For which a result is kept that nobody reads."""

CALL, CHUNK = "call", "chunk"
"""The tasks."""

CONNECTIONS = 50


def broker_at(url: str, read: int = 1) -> AsyncBroker:
    """The broker and its tasks; a worker reads so many messages of each stream at once."""
    backend: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
        url,
        max_connection_pool_size=CONNECTIONS,
        serializer=ORJSONSerializer(),
        prefix_str=RESULTS,
        result_ex_time=RESULT_SECONDS,
    )
    made = (
        RedisStreamBroker(
            url,
            queue_name=CALLS,
            additional_streams={JOBS: ">"},
            consumer_group_name=GROUP,
            consumer_id="0",
            max_connection_pool_size=CONNECTIONS,
            xread_count=read,
        )
        .with_result_backend(backend)
        .with_serializer(ORJSONSerializer())
    )
    # No coroutines: these run in its threads, as pricers do on the grid.
    made.register_task(_call, task_name=CALL)
    made.register_task(_chunk, task_name=CHUNK)
    return made


@asynccontextmanager
async def opened(broker: AsyncBroker) -> AsyncIterator[AsyncBroker]:
    """A broker that is started, and whose connections are closed whenever its user is cancelled."""
    try:
        await broker.startup()
        yield broker
    finally:
        with anyio.CancelScope(shield=True):
            await broker.shutdown()


def _call(trade: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Price a trade; tells when that began too, Unix time in seconds."""
    began = time.time()
    [record] = _priced([trade], request)
    return {"began": began, "record": record}


def _chunk(trades: list[dict[str, Any]], request: dict[str, Any]) -> list[dict[str, Any]]:
    """Price the trades of a chunk."""
    return _priced(trades, request)


def _priced(trades: list[dict[str, Any]], request: dict[str, Any]) -> list[dict[str, Any]]:
    asked = dict(request)
    pricer = registry.find(asked.pop("algorithm"))
    ids = [trade["id"] for trade in trades]
    rows = from_rows(trades, ids)
    priced = price_trades(pricer, rows, Request(**asked), 0.0, 1, time.perf_counter)
    return [
        {**priced.records[each], "outcome": str(priced.records[each]["outcome"])} for each in ids
    ]
