"""Pricing one chunk: from the bytes of cached blocks to encoded result records. Pure.

This is what runs in a slot, thread or process. Whatever the bytes are and whatever the pricer
does, short of killing the process, each ID of the chunk comes out with exactly one outcome (G1).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.blocks import Trades, joined
from engine.codec import Block, decode_block, encode_records
from engine.ids import Ids, by_block
from engine.outcome import Outcome
from engine.pricing.failures import fails
from engine.pricing.pricer import Batch, Figures, Pricer, Request
from engine.trade import check

FIGURES = ("pv", "se", "delta", "delta_se", "vega", "vega_se", "paths")
"""What a record shows of a price, in this order."""

MAX_REASON = 300
"""Characters of a reason that are kept: a pricer may raise with a page of text."""

Clock = Callable[[], float]
"""Seconds from any fixed moment."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The work of one entry."""

    ids: Ids
    blocks: Mapping[int, bytes | None]
    """Block number -> its bytes in the cache, for every block that ``ids`` touch."""
    request: Request
    failure: float
    """Probability with which a trade fails on purpose."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Priced:
    """What came of a chunk."""

    records: Mapping[int, bytes]
    """Block number -> its result records, in order of ID."""
    priced: int
    rejected: int
    seconds: float
    """Time spent in the pricer."""


Records = dict[int, dict[str, Any]]
"""Trade ID -> its result record."""


def price_chunk(pricer: Pricer, chunk: Chunk, clock: Clock) -> Priced:
    """Price the trades of a chunk that can be priced, and reject the others with their reasons."""
    trades, reasons = _look_up(chunk)
    batch = _checked(pricer, chunk, trades, reasons)
    began = clock()
    records = _price(pricer, batch, chunk.request, reasons)
    seconds = clock() - began
    milliseconds = round(seconds * 1000 / max(len(batch), 1), 3)
    for record in records.values():
        record |= {"attempts": chunk.attempts, "ms": milliseconds, "outcome": Outcome.PRICED}
    for trade_id, reason in reasons.items():
        records[trade_id] = {
            "id": trade_id,
            "attempts": chunk.attempts,
            "outcome": Outcome.REJECTED,
            "reason": _kept(reason),
        }
    encoded = {
        number: encode_records(records[trade_id] for trade_id in ids.tolist())
        for number, ids in by_block(chunk.ids)
    }
    return Priced(encoded, len(records) - len(reasons), len(reasons), seconds)


def _look_up(chunk: Chunk) -> tuple[Trades, dict[int, str]]:
    """The trades of the chunk, and why each of the others cannot be had."""
    found: list[Trades] = []
    reasons: dict[int, str] = {}
    for number, ids in by_block(chunk.ids):
        data = chunk.blocks[number]
        block = decode_block(data) if data is not None else Block((), {})
        trades = Trades(block.ids, block.columns)
        wanted = tuple(ids.tolist())
        if wanted != tuple(trades.ids):
            rows = {trade_id: row for row, trade_id in enumerate(trades.ids)}
            trades = trades.at([rows[trade_id] for trade_id in wanted if trade_id in rows])
            reason = "no such trade"
            if block.unreadable:
                reason += f"; block {number} has unreadable lines: {'; '.join(block.unreadable)}"
            reasons |= {trade_id: reason for trade_id in wanted if trade_id not in rows}
        found.append(trades)
    return joined(found), reasons


def _checked(pricer: Pricer, chunk: Chunk, trades: Trades, reasons: dict[int, str]) -> Batch:
    """The trades that have what the pricer needs, and are not to fail; the others get a reason."""
    checked = check(trades.columns, pricer.schema, len(trades.ids))
    for fault in checked.faults:
        reasons[trades.ids[fault.row]] = str(fault)
    batch = Batch(np.asarray(trades.ids, dtype=np.int64)[checked.good], checked.columns)
    if chunk.failure:
        failing = fails(batch.ids, seed=chunk.request.seed, probability=chunk.failure)
        reasons |= dict.fromkeys(batch.ids[failing].tolist(), "failed on purpose (--failure)")
        batch = batch.at(~failing)
    for column in (batch.ids, *batch.terms.values()):
        # A pricer that bumps its input in place and then raises would have its neighbours priced
        # on the bumped terms, trade by trade (G3).
        column.setflags(write=False)
    return batch


def _price(pricer: Pricer, batch: Batch, request: Request, reasons: dict[int, str]) -> Records:
    """Price a batch; if that raises, price its trades alone to find those to blame (G5)."""
    if not len(batch):
        return {}
    try:
        return _records(batch, pricer.price(batch, request), reasons)
    # A pricer may be anybody's: nothing it raises may end the consumer, sys.exit() included. No
    # signal and no cancellation is lost here, as neither is delivered to where pricers run.
    except BaseException as error:
        if len(batch) == 1:
            reasons[int(batch.ids[0])] = _told(error)
            return {}
    records: Records = {}
    for row in range(len(batch)):
        records |= _price(pricer, batch.at(slice(row, row + 1)), request, reasons)
    return records


def _records(batch: Batch, figures: Figures, reasons: dict[int, str]) -> Records:
    """Figures by column as records by trade; a trade whose PV is no number gets a reason.

    Raises ValueError if a column has not one number for each trade.
    """
    names = [name for name in FIGURES if name in figures]
    columns = [_column(name, figures[name], len(batch)) for name in names]
    ids = batch.ids.tolist()
    records: Records = {i: {"id": i} for i in ids}
    for name, column in zip(names, columns, strict=True):
        for i, value in zip(ids, column.tolist(), strict=True):
            records[i][name] = value
    if not all(np.isfinite(column).all() for column in columns):
        for i in ids:
            if not math.isfinite(records[i].get("pv", 0.0)):
                reasons[i] = f"pv is {records.pop(i)['pv']}"
            else:
                records[i] = {k: v for k, v in records[i].items() if math.isfinite(v)}
    return records


def _column(name: str, values: object, count: int) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (count,):
        raise ValueError(f"the pricer returned {name} of shape {column.shape} for {count} trades")
    if column.dtype.kind not in "fiu":
        raise ValueError(f"the pricer returned {name} of type {column.dtype}: must be numbers")
    # Of the width that JSON has: a long double would not come out as a float.
    return column.astype(np.float64) if column.dtype.kind == "f" else column


def _told(error: BaseException) -> str:
    """An error in words, which may raise in turn when it is asked for them."""
    try:
        words = str(error)
    except Exception:
        words = "and cannot say why"
    return f"{type(error).__name__}: {words}"


def _kept(reason: str) -> str:
    """What a record keeps of a reason: a pricer's may be long, or no text that JSON can hold."""
    return reason[:MAX_REASON].encode(errors="replace").decode()


def refuse_chunk(ids: Ids, outcome: Outcome, reason: str, attempts: int) -> dict[int, bytes]:
    """The records of a chunk whose trades all end in the same way without being priced."""
    return {
        number: encode_records(
            {"id": i, "attempts": attempts, "outcome": outcome, "reason": _kept(reason)}
            for i in block_ids.tolist()
        )
        for number, block_ids in by_block(ids)
    }
