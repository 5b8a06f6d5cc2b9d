"""Slots: price what is held, one entry at a time each, off the event loop."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio import CapacityLimiter, to_thread

from consumer.desk import Desk
from consumer.holdings import Held
from consumer.slot_process import ProcessDied, SlotProcess
from engine import telemetry
from engine.chunk import Priced, price_chunk
from engine.entry import Settlement
from engine.pricing.registry import find


async def run(desk: Desk, limiter: CapacityLimiter) -> None:
    """One slot: price entries until there will be no more."""
    async with _own_process() as process:
        while (held := await desk.holdings.next()) is not None:
            began = anyio.current_time()
            _note_wait(held)
            telemetry.slots_busy.add(1)
            try:
                outcome = await _price(held, process, limiter)
            except ProcessDied as error:
                await desk.retry(held, str(error))
                continue
            finally:
                telemetry.slots_busy.add(-1)
            attributes = {"algorithm": held.job.algorithm, "lane": str(held.entry.lane)}
            telemetry.price_seconds.record(outcome.seconds, attributes)
            desk.pace.measured(anyio.current_time() - began)
            desk.settle(
                Settlement(
                    held.entry,
                    held.job.expires_at,
                    outcome.records,
                    priced=outcome.priced,
                    rejected=outcome.rejected,
                )
            )


async def _price(held: Held, process: SlotProcess, limiter: CapacityLimiter) -> Priced:
    pricer = find(held.job.algorithm)
    if not pricer.releases_gil:
        return await process.price(held.job.algorithm, held.chunk)
    # Abandoned rather than waited for when the time to leave has come: no one can stop a thread.
    return await to_thread.run_sync(
        price_chunk, pricer, held.chunk, time.perf_counter, abandon_on_cancel=True, limiter=limiter
    )


def _note_wait(held: Held) -> None:
    # The first half of a stream ID is the time at which the entry was queued, in ms.
    waited = time.time() - int(held.entry.entry_id.partition("-")[0]) / 1000
    telemetry.queue_seconds.record(max(waited, 0.0), {"lane": str(held.entry.lane)})


@asynccontextmanager
async def _own_process() -> AsyncIterator[SlotProcess]:
    process = SlotProcess()
    try:
        yield process
    finally:
        await process.stop()
