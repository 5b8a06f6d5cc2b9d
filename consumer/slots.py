"""Slots: price what is held, off the event loop."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.abc import TaskGroup

from consumer.desk import Desk
from consumer.holdings import Held
from consumer.pace import QUICK
from consumer.priority import step_back
from consumer.settings import Settings
from consumer.slot_limit import price_in_time
from consumer.slot_process import NotStarted, ProcessDied, SlotProcess
from consumer.slot_recovery import recover
from engine import telemetry
from engine.chunk import Priced, price_chunk
from engine.entry import Settlement
from engine.letter import Letter
from engine.pricing.pricer import Pricer
from engine.pricing.registry import find

Slot = Callable[[Desk, CapacityLimiter], Coroutine[Any, Any, None]]
"""What one slot does until there will be no more entries; the limiter is for its threads."""


async def run(desk: Desk, limiter: CapacityLimiter) -> None:
    """One slot: price entries until there will be no more."""
    settings = desk.settings
    async with own_process(settings, behind=settings.realtime) as process:
        while batch := await desk.holdings.next(desk.pace.at_once, desk.staff.too_many):
            with desk.staff.pricing():
                pricer = find(batch[0].job.algorithm)
                apart = [held for held in batch if _apart(settings, pricer, held)]
                # Those together first, lest they wait for what may never end.
                if together := [held for held in batch if held not in apart]:
                    await _price_in_thread(desk, pricer, together, limiter)
                for held in apart:
                    await _price_in_process(desk, process, held)
        desk.staff.left()


def _apart(settings: Settings, pricer: Pricer, held: Held) -> bool:
    """Whether an entry is priced in a process, which can be killed, and bounded, for it alone."""
    limited = held.job.trade_timeout is not None or settings.slot_memory is not None
    return limited or held.entry.suspect or not pricer.releases_gil


async def _price_in_thread(
    desk: Desk, pricer: Pricer, batch: Sequence[Held], limiter: CapacityLimiter
) -> None:
    began = anyio.current_time()
    # Abandoned rather than waited for when the time to leave has come: no one can stop a thread.
    outcomes = await to_thread.run_sync(
        partial(_price_all, pricer, batch, behind=desk.settings.realtime),
        abandon_on_cancel=True,
        limiter=limiter,
    )
    seconds = (anyio.current_time() - began) / len(outcomes)
    for held, outcome in zip(batch, outcomes, strict=False):
        finish(desk, held, outcome, seconds)
    await desk.hand_back(desk.holdings.put_back(batch[len(outcomes) :]))


def _price_all(pricer: Pricer, batch: Sequence[Held], *, behind: bool) -> list[Priced]:
    """Price as many as are quick, at least one: those of a new job may turn out slow.

    ``behind`` has the thread step back for realtime.
    """
    if behind:
        step_back()
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
        done = await price_in_time(process, held.job.algorithm, held.chunk, held.job.trade_timeout)
    except ProcessDied as error:
        await desk.retry(held, error)
        return
    except NotStarted as error:
        await desk.hand_back([held.entry])
        await recover(process, error, desk.drain)
        return
    letters = [
        Letter(trade, str(error), done.attempts, desk.settings.name, error.traceback)
        for trade, error in done.given_up.items()
    ]
    finish(desk, held, done.priced, anyio.current_time() - began, letters)


def finish(
    desk: Desk, held: Held, outcome: Priced, seconds: float, letters: Sequence[Letter] = ()
) -> None:
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
            letters=letters,
            algorithm=held.job.algorithm,
        )
    )


def _note_times(held: Held, outcome: Priced, seconds: float) -> None:
    labels = str(held.entry.lane), held.job.algorithm
    trades = len(held.chunk.ids)
    waited = time.time() - seconds - held.entry.queued
    telemetry.price.note(outcome.seconds / trades, *labels)
    telemetry.queue.note(max(waited, 0.0), *labels)
    telemetry.trace_chunk(
        seconds,
        {
            "azfinsim.job": held.job.name,
            "azfinsim.ids": held.entry.ids,
            "azfinsim.lane": labels[0],
            "azfinsim.algorithm": labels[1],
            "azfinsim.trades": trades,
            "azfinsim.queue": waited,
            "azfinsim.pricer": outcome.seconds,
        },
    )


@asynccontextmanager
async def own_process(
    settings: Settings, *, behind: bool = False, tasks: TaskGroup | None = None
) -> AsyncIterator[SlotProcess]:
    """A slot's process, as ``SlotProcess`` says, ended at the end."""
    process = SlotProcess(
        behind=behind, memory=settings.slot_memory, warm_up=settings.warm_up, tasks=tasks
    )
    try:
        yield process
    finally:
        await process.close()
