"""Slots: price what is held, off the event loop."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio import CapacityLimiter, to_thread

from consumer.desk import Desk
from consumer.holdings import Held
from consumer.pace import QUICK
from consumer.slot_process import ProcessDied, SlotProcess
from engine import telemetry
from engine.chunk import Priced, price_chunk
from engine.entry import Settlement
from engine.pricing.pricer import Pricer
from engine.pricing.registry import find


async def run(desk: Desk, limiter: CapacityLimiter) -> None:
    """One slot: price entries until there will be no more."""
    async with _own_process() as process:
        while batch := await desk.holdings.next(desk.pace.at_once):
            telemetry.slots_busy.add(1)
            try:
                pricer = find(batch[0].job.algorithm)
                # One that somebody had before, and did not end, may be what has killed him.
                apart = [h for h in batch if not pricer.releases_gil or h.entry.attempts > 1]
                for held in apart:
                    await _price_in_process(desk, process, held)
                if together := [held for held in batch if held not in apart]:
                    await _price_in_thread(desk, pricer, together, limiter)
            finally:
                telemetry.slots_busy.add(-1)


async def _price_in_thread(
    desk: Desk, pricer: Pricer, batch: Sequence[Held], limiter: CapacityLimiter
) -> None:
    began = anyio.current_time()
    # Abandoned rather than waited for when the time to leave has come: no one can stop a thread.
    outcomes = await to_thread.run_sync(
        _price_all, pricer, batch, abandon_on_cancel=True, limiter=limiter
    )
    seconds = (anyio.current_time() - began) / len(outcomes)
    for held, outcome in zip(batch, outcomes, strict=False):
        _finish(desk, held, outcome, seconds)
    await desk.hand_back(desk.holdings.put_back(batch[len(outcomes) :]))


def _price_all(pricer: Pricer, batch: Sequence[Held]) -> list[Priced]:
    """Price as many as are quick, at least one: those of a new job may turn out slow."""
    outcomes: list[Priced] = []
    end = time.perf_counter() + 2 * QUICK
    for held in batch:
        if outcomes and time.perf_counter() > end:
            break
        outcomes.append(price_chunk(pricer, held.chunk, time.perf_counter))
    return outcomes


async def _price_in_process(desk: Desk, process: SlotProcess, held: Held) -> None:
    began = anyio.current_time()
    try:
        outcome = await process.price(held.job.algorithm, held.chunk)
    except ProcessDied as error:
        await desk.retry(held, str(error))
    else:
        _finish(desk, held, outcome, anyio.current_time() - began)


def _finish(desk: Desk, held: Held, outcome: Priced, seconds: float) -> None:
    """Pass on what came of an entry that took its slot so many seconds."""
    _note_times(held, outcome, seconds)
    desk.pace.measured(seconds, len(held.chunk.ids), held.job.name)
    desk.settle(
        Settlement(
            held.entry,
            held.job.expires_at,
            outcome.records,
            priced=outcome.priced,
            rejected=outcome.rejected,
        )
    )


def _note_times(held: Held, outcome: Priced, seconds: float) -> None:
    attributes = {"algorithm": held.job.algorithm, "lane": str(held.entry.lane)}
    telemetry.price_seconds.record(outcome.seconds, attributes)
    # The first half of a stream ID is the time at which the entry was queued, in ms.
    waited = time.time() - seconds - int(held.entry.entry_id.partition("-")[0]) / 1000
    telemetry.queue_seconds.record(max(waited, 0.0), attributes)


@asynccontextmanager
async def _own_process() -> AsyncIterator[SlotProcess]:
    process = SlotProcess()
    try:
        yield process
    finally:
        await process.stop()
