"""Answer: sends replies, many in one exchange with the server but none later for it (G1, G2)."""

from functools import partial

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream

from consumer.patience import patiently
from consumer.realtime.desk import RealtimeDesk
from consumer.settle import insist
from engine import telemetry
from engine.call import Call, Reply
from engine.entry import Unreadable
from engine.job import Lane
from engine.outcome import Outcome
from engine.streams import is_damage

MOST_AT_ONCE = 500
"""Replies in one pipeline."""

log = structlog.get_logger()

Answered = tuple[Call, Reply]


async def run(desk: RealtimeDesk, replies: MemoryObjectReceiveStream[Answered]) -> None:
    """Send what comes until nothing more can come."""
    async for reply in replies:
        batch = [reply]
        while len(batch) < MOST_AT_ONCE:
            try:
                batch.append(replies.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        await insist(
            [str(Lane.REALTIME)], batch, desk.desk.grid.calls.answer, partial(_conclude, desk)
        )


async def _conclude(desk: RealtimeDesk, answered: Answered, result: int | Exception) -> None:
    call, reply = answered
    if isinstance(result, Exception):
        if not is_damage(result):
            raise result
        # Somebody has put something else where the reply belongs.
        log.error(
            "cannot be answered, put aside",
            call=call.call,
            error=str(result),
            traceparent=call.traceparent,
        )
        await patiently("answer", desk.desk.grid.calls.put_aside, _unfit(call, str(result)))
    elif result == 1:
        desk.desk.priced += reply.record["outcome"] == Outcome.PRICED
        _note(desk, call, reply)
    else:
        telemetry.settles_refused.add(1, str(call.lane))
        log.debug("already answered", call=call.call, traceparent=call.traceparent)
    desk.holdings.let_go(call)


def _note(desk: RealtimeDesk, call: Call, reply: Reply) -> None:
    """Tell of a call that was answered just now."""
    # What is no pricer of ours may be named in a million ways.
    known = call.algorithm if call.algorithm in desk.desk.pricers.known else ""
    outcome, labels = str(reply.record["outcome"]), (str(call.lane), known)
    seconds = desk.waited_ms(call) / 1000
    telemetry.trades.add(1, outcome, *labels)
    if outcome == Outcome.DEAD:
        telemetry.dead.add(1, *labels)
    telemetry.end_to_end.note(seconds, *labels)
    telemetry.trace_call(
        call.traceparent,
        reply.queued_ms / 1000,
        float(reply.record.get("ms", 0.0)) / 1000,
        {
            "azfinsim.total": seconds,
            "azfinsim.lane": labels[0],
            "azfinsim.algorithm": labels[1],
            "azfinsim.outcome": outcome,
            "azfinsim.attempts": int(reply.record.get("attempts", 0)),
            "azfinsim.trade": int(reply.record["id"]),
        },
    )


def _unfit(call: Call, reason: str) -> Unreadable:
    fields = {b"call": call.call.encode(), b"client": call.client.encode()}
    return Unreadable(call.partition, call.lane, call.entry_id, reason, fields)
