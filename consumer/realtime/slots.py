"""Slots: price the calls that wait, off the event loop, as soon as one is free."""

import asyncio
from collections.abc import Sequence

import anyio

from consumer.realtime.at_once import AtOnce
from consumer.realtime.desk import RealtimeDesk
from consumer.realtime.holdings import Held
from consumer.realtime.price import Answers, as_chunk, of_chunk, price_calls
from consumer.slot_process import NotStarted, ProcessDied, SlotProcess, TookTooLong
from consumer.slot_recovery import recover
from consumer.slots import own_process
from engine import telemetry
from engine.job import Lane
from engine.outcome import Outcome
from engine.pricing.pricer import Divisible, Pricer


async def run(desk: RealtimeDesk) -> None:
    """One slot: price calls until there will be no more."""
    async with own_process(desk.desk.settings, tasks=desk.tasks) as process:
        while batch := await desk.holdings.next(desk.pace.together, desk.staff.too_many):
            with desk.desk.staff.pricing():
                await _price(desk, process, batch)
        desk.staff.left()


async def _price(desk: RealtimeDesk, process: SlotProcess, batch: Sequence[Held]) -> None:
    """Price calls of one kind, but for those that have waited too long."""
    pricer = batch[0].pricer
    assert pricer is not None
    apart = [held for held in batch if _apart(desk, pricer, held)]
    together = [held for held in batch if held not in apart and _in_time(desk, held)]
    # First, lest they wait for what may never end.
    if together:
        await _price_in_thread(desk, pricer, together)
    for held in apart:
        if _in_time(desk, held):
            await _price_in_process(desk, process, held)


def _apart(desk: RealtimeDesk, pricer: Pricer, held: Held) -> bool:
    """Whether a call is priced in a process, which can be killed, and bounded, for it alone."""
    bounded = desk.desk.settings.slot_memory is not None
    # One that somebody had before, and did not end, may be what has killed him.
    return bounded or held.attempts > 1 or not pricer.releases_gil


def _in_time(desk: RealtimeDesk, held: Held) -> bool:
    """Whether its deadline is yet to come; if not, it is answered."""
    if late := desk.late(held.call):
        desk.expire(held.call)
    return not late


async def _price_in_thread(desk: RealtimeDesk, pricer: Pricer, batch: Sequence[Held]) -> None:
    calls = [held.call for held in batch]
    waited = [desk.waited_ms(call) for call in calls]
    began = anyio.current_time()
    # Abandoned rather than waited for when the time to leave has come: no one can stop a thread.
    answers = await asyncio.get_running_loop().run_in_executor(
        desk.threads, price_calls, _divided(desk, pricer), calls, 1
    )
    _finish(desk, batch, waited, answers, anyio.current_time() - began)


def _divided(desk: RealtimeDesk, pricer: Pricer) -> Pricer:
    """The pricer, with the help of slots that have nothing to do, if it can be helped."""
    others = desk.staff.wanted - 1
    if others and isinstance(pricer, Divisible):
        return pricer.divided(AtOnce(desk.threads, others))
    return pricer


async def _price_in_process(desk: RealtimeDesk, process: SlotProcess, held: Held) -> None:
    """Price one call in a process; it may have killed some, and others with other calls (G5)."""
    while True:
        try:
            # That may take longer than a caller waits: killed at each deadline, no process would
            # ever come to answer anybody. The caller is told at his deadline all the same.
            desk.make_ready(held)
            try:
                await process.begin(held.call.algorithm)
            finally:
                desk.unready.discard(held)
            if not desk.holdings.open(held) or not _in_time(desk, held):
                return
            waited, began = desk.waited_ms(held.call), anyio.current_time()
            chunk = as_chunk(held.call, held.attempts)
            left = desk.seconds_left(held.call)
            answers = of_chunk(await process.price(held.call.algorithm, chunk, left))
        except TookTooLong:
            # Nobody waits for it any longer, and others wait for the slot.
            desk.expire(held.call)
            return
        except ProcessDied as error:
            if not _again(desk, held, error):
                return
        except NotStarted as error:
            if desk.holdings.open(held):
                await desk.hand_back([held.call])
            await recover(process, error, desk.desk.drain)
            return
        else:
            _finish(desk, [held], [waited], answers, anyio.current_time() - began)
            return


def _again(desk: RealtimeDesk, held: Held, died: ProcessDied) -> bool:
    """Whether another attempt is to be made at a call that has killed its process; if not, it is
    answered."""
    held.deaths += 1
    if not desk.holdings.open(held):
        return False
    limit, attempts = desk.desk.settings.attempts, held.call.spent + held.deaths
    if attempts >= limit:
        reason = f"given up after {limit} attempts: {died}"
        desk.refuse(held.call, Outcome.DEAD, reason, attempts)
        return False
    if desk.late(held.call):
        desk.expire(held.call)
        return False
    return True


def _finish(
    desk: RealtimeDesk,
    batch: Sequence[Held],
    waited: Sequence[float],
    answers: Answers,
    seconds: float,
) -> None:
    """Pass on what came of calls that took their slot so many seconds."""
    desk.pace.measured(batch[0].kind, answers.seconds, seconds, len(batch))
    labels = str(Lane.REALTIME), batch[0].call.algorithm
    telemetry.price.note(answers.seconds / len(batch), *labels)
    for held, record, milliseconds in zip(batch, answers.records, waited, strict=True):
        telemetry.queue.note(milliseconds / 1000, *labels)
        desk.reply(held.call, record, milliseconds)
