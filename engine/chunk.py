"""Pricing one chunk: from the bytes of cached blocks to encoded result records. Pure.

This is what runs in a slot, thread or process. Whatever the bytes are and whatever the pricer
does, short of killing the process, each ID of the chunk comes out with exactly one outcome (G1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.blocks import Trades, joined
from engine.codec import Block, decode_block, encode_records
from engine.ids import Ids, by_block
from engine.outcome import Outcome
from engine.pricing.failures import fails
from engine.pricing.figures import Records, by_trade
from engine.pricing.pricer import Batch, Pricer, Request
from engine.pricing.reasons import kept, told
from engine.trade import check, other_products, product_of

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

    def of(self, ids: Ids) -> "Chunk":
        """The same for some of its trades alone, begun once more."""
        blocks = {number: self.blocks[number] for number, _ in by_block(ids)}
        return replace(self, ids=ids, blocks=blocks, attempts=self.attempts + 1)


@dataclass(frozen=True, slots=True)
class Priced:
    """What came of a chunk."""

    records: Mapping[int, bytes]
    """Block number -> its result records, in order of ID."""
    priced: int
    rejected: int
    seconds: float
    """Time spent in the pricer."""


def price_chunk(pricer: Pricer, chunk: Chunk, clock: Clock) -> Priced:
    """Price the trades of a chunk that can be priced, and reject the others with their reasons."""
    trades, missing = _look_up(chunk)
    outcome = price_trades(pricer, trades, chunk.request, chunk.failure, chunk.attempts, clock)
    records = {**outcome.records, **_rejections(missing, chunk.attempts)}
    encoded = {
        number: encode_records(records[trade_id] for trade_id in ids.tolist())
        for number, ids in by_block(chunk.ids)
    }
    rejected = outcome.rejected + len(missing)
    return Priced(encoded, len(records) - rejected, rejected, outcome.seconds)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of trades priced together."""

    records: Records
    rejected: int
    seconds: float
    """Time spent in the pricer."""


def price_trades(
    pricer: Pricer, trades: Trades, request: Request, failure: float, attempts: int, clock: Clock
) -> Outcomes:
    """Price trades that have different IDs, in the one way in which a trade is priced (G3).

    Of each that cannot be priced the record says why. ``failure`` is the probability with which
    they fail on purpose, ``attempts`` how often they were begun.
    """
    reasons: dict[int, str] = {}
    trades = _of_its_product(pricer, trades, reasons)
    batch = _checked(pricer, trades, request, failure, reasons)
    began = clock()
    records = _price(pricer, batch, request, reasons)
    seconds = clock() - began
    milliseconds = round(seconds * 1000 / max(len(batch), 1), 3)
    for record in records.values():
        record |= {"attempts": attempts, "ms": milliseconds, "outcome": Outcome.PRICED}
    return Outcomes({**records, **_rejections(reasons, attempts)}, len(reasons), seconds)


def _rejections(reasons: Mapping[int, str], attempts: int) -> Records:
    """The records of trades that cannot be priced, by ID."""
    return {
        trade_id: {
            "id": trade_id,
            "attempts": attempts,
            "outcome": Outcome.REJECTED,
            "reason": kept(reason),
        }
        for trade_id, reason in reasons.items()
    }


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


def _of_its_product(pricer: Pricer, trades: Trades, reasons: dict[int, str]) -> Trades:
    """The trades without those of a product that is not the pricer's, which get a reason.

    A pricer with a schema of its own takes whatever trade has these fields.
    """
    product = product_of(pricer.schema)
    if product is None:
        return trades
    count = len(trades.ids)
    others = {fault.row: fault for fault in other_products(trades.columns, product, count)}
    if not others:
        return trades
    reasons |= {trades.ids[row]: str(fault) for row, fault in others.items()}
    return trades.at([row for row in range(count) if row not in others])


def _checked(
    pricer: Pricer, trades: Trades, request: Request, failure: float, reasons: dict[int, str]
) -> Batch:
    """The trades that have what the pricer needs, and are not to fail; the others get a reason."""
    checked = check(trades.columns, pricer.schema, len(trades.ids))
    for fault in checked.faults:
        reasons[trades.ids[fault.row]] = str(fault)
    batch = Batch(np.asarray(trades.ids, dtype=np.int64)[checked.good], checked.columns)
    if failure:
        failing = fails(batch.ids, seed=request.seed, probability=failure)
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
        records, refused = by_trade(pricer.price(batch, request), batch.ids.tolist())
    # A pricer may be anybody's: nothing it raises may end the consumer, sys.exit() included. No
    # signal and no cancellation is lost here, as neither is delivered to where pricers run.
    except BaseException as error:
        if len(batch) == 1:
            reasons[int(batch.ids[0])] = told(error)
            return {}
    else:
        reasons |= refused
        return records
    records = {}
    for row in range(len(batch)):
        records |= _price(pricer, batch.at(slice(row, row + 1)), request, reasons)
    return records


def refuse_chunk(ids: Ids, outcome: Outcome, reason: str, attempts: int) -> dict[int, bytes]:
    """The records of a chunk whose trades all end in the same way without being priced."""
    return {
        number: encode_records(
            {"id": i, "attempts": attempts, "outcome": outcome, "reason": kept(reason)}
            for i in block_ids.tolist()
        )
        for number, block_ids in by_block(ids)
    }


def together(parts: Sequence[Priced]) -> Priced:
    """What came of the parts of a chunk, which are in order of ID, as of one."""
    records: dict[int, bytes] = {}
    for part in parts:
        for number, lines in part.records.items():
            records[number] = records[number] + b"\n" + lines if number in records else lines
    return Priced(
        records,
        sum(part.priced for part in parts),
        sum(part.rejected for part in parts),
        sum(part.seconds for part in parts),
    )
