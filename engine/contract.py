"""A test of any pricer: that its results are what the grid promises of them.

def test_my_pricer():
    records = assert_pricer(house.pricer, [{"id": 7, "spot": 0.9, "strike": 0.8}, ...])
    assert records[0]["pv"] == pytest.approx(0.1)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from engine.blocks import Trades, blocks_of, from_rows
from engine.chunk import Chunk, price_chunk
from engine.codec import decode_records, encode_block
from engine.ids import Ids
from engine.outcome import Outcome
from engine.pricing.pricer import Divisible, Pricer, Request

T = TypeVar("T")
R = TypeVar("R")

Record = dict[str, Any]
"""What became of a trade: its ID, its outcome, and its figures or the reason that it has none."""

THREADS = 4


def assert_pricer(
    pricer: Pricer, trades: Sequence[Mapping[str, Any]], request: Request | None = None
) -> list[Record]:
    """Price trades as a consumer does, in several ways; return their records in order of ID.

    A trade without an ``id`` gets its place in the list for one. Raises AssertionError if no trade
    is priced, or if a record is not the same to the last bit when all are priced again, each alone,
    and, by a pricer that releases the GIL, on several threads at once; by one that can be divided,
    also with its pieces done from the last to the first.
    """
    ids = [trade.get("id", at) for at, trade in enumerate(trades)]
    book = from_rows(trades, ids)
    request = request or Request()
    whole = np.unique(np.array(ids, dtype=np.int64))
    records = _priced(pricer, book, whole, request)
    if not any(record["outcome"] == Outcome.PRICED for record in records):
        reasons = [str(record["reason"]) for record in records]
        raise AssertionError(f"no trade was priced; the first: {reasons[0] if reasons else 'none'}")
    _compare(records, _priced(pricer, book, whole, request), "again")

    def alone(at: int) -> Record:
        [record] = _priced(pricer, book, whole[at : at + 1], request)
        return record

    _compare(records, list(map(alone, range(len(whole)))), "alone")
    if pricer.releases_gil:
        with ThreadPoolExecutor(THREADS) as threads:
            beside = list(threads.map(alone, range(len(whole))))
        _compare(records, beside, "while others were on other threads")
    if isinstance(pricer, Divisible):
        divided = _priced(pricer.divided(_backwards), book, whole, request)
        _compare(records, divided, "in pieces, in another order")
    return records


def _backwards(function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
    """The builtin ``map``, from the last item to the first."""
    return reversed([function(item) for item in reversed(list(items))])


def _priced(pricer: Pricer, book: Trades, ids: Ids, request: Request) -> list[Record]:
    blocks = {number: encode_block(t.ids, t.columns) for number, t in blocks_of(book).items()}
    priced = price_chunk(pricer, Chunk(ids, blocks, request, 0.0, 1), lambda: 0.0)
    records = [record for data in priced.records.values() for record in decode_records(data)]
    return [{k: v for k, v in record.items() if k not in ("attempts", "ms")} for record in records]


def _compare(records: Sequence[Record], others: Sequence[Record], how: str) -> None:
    for record, other in zip(records, others, strict=True):
        if record != other:
            raise AssertionError(f"trade {record['id']} is {record}, but priced {how} {other}")
