"""Pricing calls: from their terms to their result records. Pure.

What runs in a thread of a slot, and what a slot's process is given and answers.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.blocks import Trades, blocks_of, from_rows
from engine.call import Call
from engine.chunk import Chunk, Priced, price_trades
from engine.codec import decode_records, encode_block
from engine.outcome import Outcome
from engine.pricing.pricer import Pricer
from engine.pricing.reasons import kept

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of calls, in their order."""

    records: Sequence[Record]
    seconds: float
    """Time spent in the pricer."""


def price_calls(pricer: Pricer, calls: Sequence[Call], attempts: int) -> Answers:
    """Price calls of one kind, as the same trades of a job would be (G3)."""
    records: list[Record] = [{}] * len(calls)
    seconds = 0.0
    for places in _of_different_ids(calls):
        alike = [calls[at] for at in places]
        outcome = price_trades(
            pricer, _trades(alike), calls[0].request, 0.0, attempts, time.perf_counter
        )
        seconds += outcome.seconds
        for at, call in zip(places, alike, strict=True):
            records[at] = outcome.records[call.trade["id"]]
    return Answers(records, seconds)


def as_chunk(call: Call, attempts: int) -> Chunk:
    """A call as the chunk that a slot's process is given."""
    trades = _trades([call])
    blocks: dict[int, bytes | None] = {
        number: encode_block(block.ids, block.columns)
        for number, block in blocks_of(trades).items()
    }
    return Chunk(np.array(trades.ids, dtype=np.int64), blocks, call.request, 0.0, attempts)


def of_chunk(priced: Priced) -> Answers:
    """What came of such a chunk."""
    [records] = priced.records.values()
    return Answers(decode_records(records), priced.seconds)


def refused(call: Call, outcome: Outcome, reason: str, attempts: int) -> Record:
    """The record of a call that ends without being priced."""
    return {
        "id": call.trade["id"],
        "attempts": attempts,
        "outcome": outcome,
        "reason": kept(reason),
    }


def _trades(calls: Sequence[Call]) -> Trades:
    return from_rows([call.trade for call in calls], [call.trade["id"] for call in calls])


def _of_different_ids(calls: Sequence[Call]) -> list[list[int]]:
    """The places of the calls, parted so that no part has two of one ID.

    A trade is known by its ID where it is priced; a ladder is one trade with many spots.
    """
    parts: list[list[int]] = []
    seen: dict[int, int] = {}
    for at, call in enumerate(calls):
        turn = seen.get(call.trade["id"], 0)
        seen[call.trade["id"]] = turn + 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(at)
    return parts
