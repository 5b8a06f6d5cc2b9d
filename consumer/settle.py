"""Settle: makes results take effect, many entries in one exchange with the server (G1, G2)."""

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream
from redis.exceptions import OutOfMemoryError

from consumer.desk import Desk
from consumer.patience import PASSING, delay, patiently
from engine import telemetry
from engine.entry import Settlement

MOST_AT_ONCE = 100
"""Entries settled in one pipeline: a megabyte or two of records."""

log = structlog.get_logger()


async def run(desk: Desk, finished: MemoryObjectReceiveStream[Settlement]) -> None:
    """Settle what comes until nothing more can come."""
    async for settlement in finished:
        batch = [settlement]
        while len(batch) < MOST_AT_ONCE:
            try:
                batch.append(finished.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        await _settle(desk, batch)


async def _settle(desk: Desk, batch: list[Settlement]) -> None:
    """Settle a batch; what the server cannot take now is tried again until it can."""
    failures = 0
    while batch:
        began = anyio.current_time()
        results = await patiently("settle", desk.grid.streams.settle, batch)
        telemetry.settle_seconds.record(anyio.current_time() - began)
        again = []
        for settlement, result in zip(batch, results, strict=True):
            if isinstance(result, PASSING):
                again.append(settlement)
            else:
                _conclude(desk, settlement, result)
        batch = again
        if batch:
            log.warning("cannot settle yet", entries=len(batch), error=_worst(results))
            await anyio.sleep(delay(failures))
            failures = min(failures + 1, 10)


def _worst(results: list[int | Exception]) -> str:
    errors = [str(r) for r in results if isinstance(r, Exception)]
    full = [e for e in results if isinstance(e, OutOfMemoryError)]
    return "the server is full: its maxmemory is reached" if full else errors[0]


def _conclude(desk: Desk, settlement: Settlement, result: int | Exception) -> None:
    desk.holdings.let_go(settlement.entry)
    if isinstance(result, Exception):
        # Somebody has put a key of another type in our way. The entry stays pending, and comes
        # back to one of us when its lease has lapsed.
        log.error("cannot be settled", entry=settlement.entry, error=str(result))
    elif result == 1:
        _count(desk, settlement)
    else:
        telemetry.settles_refused.add(1)
        log.debug("already settled" if result == 0 else "job has moved on", entry=settlement.entry)


def _count(desk: Desk, settlement: Settlement) -> None:
    desk.priced += settlement.priced
    for outcome in ("priced", "rejected", "dead", "expired"):
        if count := getattr(settlement, outcome):
            attributes = {"outcome": outcome, "lane": str(settlement.entry.lane)}
            telemetry.trades.add(count, attributes)
