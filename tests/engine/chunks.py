"""Chunks for tests, and what comes of them.

What may live here: how a test makes a chunk of trades or of a block's text, and prices it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.blocks import Trades
from engine.chunk import Chunk, Priced, price_chunk
from engine.codec import decode_records, encode_block
from engine.ids import Ids, by_block, parse_ids
from engine.pricing.pricer import Pricer, Request

Record = dict[str, Any]


def blocks_of(trades: Trades) -> dict[int, bytes | None]:
    blocks: dict[int, bytes | None] = {}
    for number, ids in by_block(np.asarray(trades.ids)):
        part = trades.at(np.searchsorted(trades.ids, ids).tolist())
        blocks[number] = encode_block(part.ids, part.columns)
    return blocks


def chunk(
    ids: Ids | str,
    blocks: dict[int, bytes | None],
    request: Request | None = None,
    failure: float = 0.0,
) -> Chunk:
    ids = parse_ids(ids) if isinstance(ids, str) else ids
    wanted = {number: blocks.get(number) for number, _ in by_block(ids)}
    return Chunk(ids, wanted, request or Request(seed=3), failure, attempts=1)


def price(pricer: Pricer, work: Chunk) -> list[Record]:
    """The records of a chunk, checked: one for each ID, in order, and as counted."""
    priced = price_chunk(pricer, work, lambda: 0.0)
    records = read(priced)
    assert [record["id"] for record in records] == work.ids.tolist()
    outcomes = [record["outcome"] for record in records]
    assert outcomes.count("priced") == priced.priced
    assert outcomes.count("rejected") == priced.rejected == len(records) - priced.priced
    assert all(("reason" in record) == (record["outcome"] == "rejected") for record in records)
    return records


def read(priced: Priced) -> list[Record]:
    records: list[Record] = []
    for number, data in priced.records.items():
        found = decode_records(data)
        assert {record["id"] // 100 for record in found} == {number}
        records += found
    return records


def reasons(records: Sequence[Record]) -> dict[int, str]:
    return {record["id"]: record["reason"] for record in records if "reason" in record}


def table(*rows: str, names: str = '["id","spot"]') -> dict[int, bytes | None]:
    return {0: "\n".join([names, *rows]).encode()}
