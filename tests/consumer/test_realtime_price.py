"""Realtime calls priced: in threads, and as what a slot's process is given."""

import time
from typing import Any

import pytest

from consumer.realtime.price import as_chunk, of_chunk, price_calls
from engine.call import Call
from engine.chunk import price_chunk
from engine.pricing.pricer import Request
from tests import pricers


def call(trade: dict[str, Any], **options: Any) -> Call:
    return Call(0, "1-0", "c1", "desk", trade, "plain", Request(seed=2, options=options), b"{}", 0)


def test_each_call_gets_its_own_record_whatever_the_ids() -> None:
    """Of one ID several times, in any order, and with some that are bad."""
    ids = [3, 1, 3, 2, 1, 3]
    calls = [call({"id": i, "spot": n + 1}) for n, i in enumerate(ids)]
    calls[2] = call({"id": 3, "spot": -1})
    calls[4] = call({"id": 1, "rho": 0.5})
    records = price_calls(pricers.plain, calls, 1).records
    assert [record["id"] for record in records] == ids
    assert [record["outcome"] for record in records].count("rejected") == 2
    for at in (0, 1, 3, 5):
        assert records[at]["pv"] == ids[at] / 7 + (at + 1) + 2


@pytest.mark.parametrize("trade", [{"id": 250, "spot": 1.1}, {"id": 250}, {"id": 250, "spot": "x"}])
def test_a_process_answers_what_a_thread_would(trade: dict[str, Any]) -> None:
    """G3."""
    alone = price_calls(pricers.plain, [call(trade)], 2).records
    chunk = as_chunk(call(trade), 2)
    apart = of_chunk(price_chunk(pricers.plain, chunk, time.perf_counter)).records
    assert [{**record, "ms": 0} for record in alone] == [{**record, "ms": 0} for record in apart]
