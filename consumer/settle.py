"""Settle: makes results take effect, many entries in one exchange with the server (G1, G2)."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream
from redis.exceptions import OutOfMemoryError

from consumer.desk import Desk
from consumer.patience import patiently
from engine import telemetry
from engine.backoff import delay
from engine.connection import passes
from engine.entry import Settlement, unfit
from engine.streams import is_damage

MOST_AT_ONCE = 100
"""Entries settled in one pipeline: a megabyte or two of records."""

GATHER = 0.003
"""Seconds in which others may join the first of a batch: with quick entries, most of what settling
costs is spent once a batch."""

T = TypeVar("T")

log = structlog.get_logger()


async def run(desk: Desk, finished: MemoryObjectReceiveStream[Settlement]) -> None:
    """Settle what comes until nothing more can come."""
    async for settlement in finished:
        batch = [settlement]
        await anyio.sleep(GATHER)
        while len(batch) < MOST_AT_ONCE:
            try:
                batch.append(finished.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        lanes = {str(settlement.entry.lane) for settlement in batch}
        await insist(lanes, batch, desk.grid.streams.settle, partial(_conclude, desk))


async def insist(
    lanes: Collection[str],
    batch: Sequence[T],
    settle: Callable[[Sequence[T]], Awaitable[list[int | Exception]]],
    conclude: Callable[[T, int | Exception], Awaitable[None]],
) -> None:
    """Settle a batch; what the server cannot take now is tried again until it can.

    ``lanes`` are those whose entries are in it: each has waited for all.
    """
    failures = 0
    while batch:
        began = time.perf_counter()
        results = await patiently("settle", settle, batch)
        seconds = time.perf_counter() - began
        for lane in lanes:
            telemetry.settle.note(seconds, lane)
        again = []
        for settlement, result in zip(batch, results, strict=True):
            if passes(result):
                again.append(settlement)
            else:
                await conclude(settlement, result)
        batch = again
        if batch:
            log.warning("cannot settle yet", entries=len(batch), error=_worst(results))
            await anyio.sleep(delay(failures))
            failures += 1


def _worst(results: list[int | Exception]) -> str:
    errors = [str(r) for r in results if isinstance(r, Exception)]
    full = [e for e in results if isinstance(e, OutOfMemoryError)]
    return "the server is full: its maxmemory is reached" if full else errors[0]


async def _conclude(desk: Desk, settlement: Settlement, result: int | Exception) -> None:
    entry = settlement.entry
    if isinstance(result, Exception):
        if not is_damage(result):
            raise result
        # Tried again it would fail again, until its trades are taken for deadly.
        log.error("cannot be settled, put aside", job=entry.job, ids=entry.ids, error=str(result))
        await patiently("settle", desk.grid.streams.put_aside, unfit(entry, str(result)))
    elif result == 1:
        _count(desk, settlement)
    else:
        telemetry.settles_refused.add(1, str(entry.lane))
        log.debug("already settled" if result == 0 else "job has moved on", entry=entry)
    desk.holdings.let_go(entry)


def _count(desk: Desk, settlement: Settlement) -> None:
    desk.priced += settlement.priced
    labels = str(settlement.entry.lane), settlement.algorithm
    for outcome in ("priced", "rejected", "dead", "expired"):
        if count := getattr(settlement, outcome):
            telemetry.trades.add(count, outcome, *labels)
    if settlement.dead:
        telemetry.dead.add(settlement.dead, *labels)
    telemetry.end_to_end.note(max(0.0, time.time() - settlement.entry.queued), *labels)
