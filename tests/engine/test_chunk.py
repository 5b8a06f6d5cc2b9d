"""Pricing one chunk: every trade ends in exactly one outcome, whatever it is (G1, G3, G5)."""

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import Trades
from engine.chunk import price_chunk, refuse_chunk
from engine.codec import decode_records
from engine.ids import parse_ids
from engine.outcome import Outcome
from engine.pricing.pricer import Request
from engine.pricing.reasons import MAX_REASON
from engine.pricing.synthetic import pricer as synthetic
from engine.pricing.warrant import pvonly
from producer.generate import generate
from tests import pricers
from tests.engine.chunks import Record, blocks_of, chunk, price, read, reasons, table


def test_trades_are_priced_in_order_of_id() -> None:
    """G1."""
    records = price(pricers.plain, chunk("40-260", blocks_of(generate(1, 0, 300))))
    assert not reasons(records)
    assert set(records[0]) == {"id", "pv", "attempts", "ms", "outcome"}


def test_a_missing_trade_is_rejected() -> None:
    """G1: in a block that is there, and in one that is not."""
    blocks = blocks_of(generate(1, 0, 100).at([0, 1, 5]))
    assert reasons(price(pricers.plain, chunk("0-2,5,700", blocks))) == {
        2: "no such trade",
        700: "no such trade",
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("[1,-0.5]", "spot is -0.5: must be a number above 0"),
        ("[1,null]", "spot is missing: must be a number above 0"),
        ('[1,"0.8"]', "spot is '0.8': must be a number above 0"),
        ("[1,true]", "spot is True: must be a number above 0"),
        ("[1,[[0.8]]]", "spot is [[0.8]]: must be a number above 0"),
        ("[1,NaN]", "no such trade; block 0 has unreadable lines: line 3: is not a JSON array"),
        ("what?", "no such trade; block 0 has unreadable lines: line 3: is not a JSON array"),
        ("[1]", "no such trade; block 0 has unreadable lines: line 3: has 1 values for 2 names"),
    ],
)
def test_a_bad_trade_is_rejected_and_its_neighbours_priced(row: str, reason: str) -> None:
    """G5."""
    records = price(pricers.plain, chunk("0-2", table("[0,0.8]", row, "[2,0.9]")))
    assert reasons(records) == {1: reason}


def test_a_negative_vol_is_rejected_by_the_warrant_pricer() -> None:
    """G5, and its neighbours have the prices that they have without it."""
    trades = generate(1, 0, 3)
    vols = list(trades.columns["vol"])
    bad = Trades(trades.ids, {**trades.columns, "vol": [vols[0], -0.1, vols[2]]})
    request = Request(seed=3, paths=20)
    records = price(pvonly, chunk("0-2", blocks_of(bad), request))
    assert reasons(records) == {1: "vol is -0.1: must be a number of at least 0"}
    good = price(pvonly, chunk("0-2", blocks_of(trades), request))
    assert [records[0]["pv"], records[2]["pv"]] == [good[0]["pv"], good[2]["pv"]]


def test_a_field_that_the_pricer_does_not_know_is_passed_over() -> None:
    """DESIGN section 5: a trade may carry fields that only other pricers know."""
    blocks = table('[0,0.8,{"a":[1]}]', "[1,0.9,null]", names='["id","spot","note"]')
    assert not reasons(price(pricers.plain, chunk("0-1", blocks)))


@given(st.binary(max_size=60) | st.text(alphabet='[],"id01\n', max_size=40).map(str.encode))
def test_a_block_of_any_bytes_is_an_outcome(data: bytes) -> None:
    """G10."""
    price(pricers.plain, chunk("0-3", {0: data}))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_records_do_not_depend_on_the_chunk(size: int) -> None:
    """G3: one byte string, apart from attempts and ms, however the trades are cut; failures too."""
    ids = parse_ids("40-160,170,199-230")
    blocks = blocks_of(generate(1, 0, 210))  # The last 20 are not there.
    request = Request(seed=3, paths=30)

    def prices(size: int) -> list[bytes]:
        records: list[Record] = []
        for start in range(0, len(ids), size):
            records += price(pvonly, chunk(ids[start : start + size], blocks, request, failure=0.1))
        keep = ("id", "pv", "se", "paths", "outcome", "reason")
        return [orjson.dumps({k: r[k] for k in keep if k in r}) for r in records]

    assert prices(size) == prices(1000)


def test_failures_are_a_function_of_seed_and_id() -> None:
    """G3: of the asked-for share, and others for another seed."""
    blocks = blocks_of(generate(1, 0, 2000))

    def failed(seed: int) -> set[int]:
        work = chunk("0-1999", blocks, Request(seed=seed), failure=0.1)
        told = reasons(price(synthetic, work))
        assert set(told.values()) == {"failed on purpose (--failure)"}
        return set(told)

    first, again, other = failed(1), failed(1), failed(2)
    assert first == again != other
    spread = 5 * math.sqrt(2000 * 0.1 * 0.9)
    assert abs(len(first) - 200) < spread
    assert abs(len(first & other) - 20) < spread


def test_an_empty_chunk_is_nothing() -> None:
    assert price_chunk(pricers.plain, chunk("", {}), lambda: 0.0).records == {}


@pytest.mark.parametrize("outcome", [Outcome.DEAD, Outcome.REJECTED])
def test_a_chunk_is_refused_as_a_whole(outcome: Outcome) -> None:
    """G1; of a reason no more is kept than of a pricer's, and only what JSON can hold."""
    refused = refuse_chunk(parse_ids("98-101"), outcome, "\ud800" + "x" * 1000, attempts=4)
    records = [record for data in refused.values() for record in decode_records(data)]
    assert list(refused) == [0, 1]
    reason = "?" + "x" * (MAX_REASON - 1)
    assert records == [
        {"id": i, "attempts": 4, "outcome": str(outcome), "reason": reason} for i in range(98, 102)
    ]


def test_the_time_of_a_trade_is_that_of_its_chunk_by_trade() -> None:
    clock = iter([1.0, 1.5])
    work = chunk("0-9", blocks_of(generate(1, 0, 10)))
    priced = price_chunk(pricers.plain, work, lambda: next(clock))
    assert priced.seconds == 0.5
    assert {record["ms"] for record in read(priced)} == {50.0}
    assert np.isclose(priced.priced, 10)
