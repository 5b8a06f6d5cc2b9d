"""The test of any pricer: our own pass it, and those with a vice do not."""

import itertools
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.adapters import per_trade
from engine.contract import THREADS, assert_pricer
from engine.pricing.european import pricer as european
from engine.pricing.pricer import Batch, Figures, Pricer, Request
from engine.pricing.synthetic import pricer as synthetic
from engine.pricing.warrant import deltavega, pvonly
from producer.generate import generate
from tests import pricers

BOOK = generate(3, 95, 12)
WARRANTS = [BOOK.row(row) for row in range(12)]
OPTIONS = [
    {
        "product": "european",
        "option_type": kind,
        "spot": spot,
        "strike": 1.0,
        "vol": 0.1,
        "maturity": 0.5,
        "domestic_rate": 0.01,
        "foreign_rate": 0.0,
        "notional": 1000,
    }
    for kind, spot in itertools.product(("call", "put"), (0.8, 1.0, 1.2))
]


@pytest.mark.parametrize(
    ("pricer", "trades"),
    [
        (pvonly, WARRANTS),
        (deltavega, WARRANTS),
        (synthetic, WARRANTS),
        (european, OPTIONS),
        (pricers.plain, WARRANTS),
        (per_trade(pricers.function, schema=pricers.plain.schema, version="1"), WARRANTS),
    ],
)
def test_pricers_that_are_sound_pass(pricer: Pricer, trades: list[dict[str, Any]]) -> None:
    """G3: our own among them."""
    records = assert_pricer(pricer, trades, Request(seed=1, paths=200))
    assert len(records) == len(trades)
    assert {record["outcome"] for record in records} == {"priced"}


def test_trades_that_are_refused_are_told_as_they_will_be() -> None:
    records = assert_pricer(european, [*OPTIONS, {**OPTIONS[0], "vol": -1}])
    assert records[6]["reason"] == "vol is -1: must be a number of at least 0"


class Averaging(pricers.Plain):
    """Prices a trade at what stands beside it."""

    def price(self, batch: Batch, request: Request) -> Figures:
        return {"pv": np.full(len(batch), batch.terms["spot"].mean())}


class Rounding(pricers.Plain):
    """Writes whole numbers alone, and fractions beside others."""

    def price(self, batch: Batch, request: Request) -> Figures:
        return {"pv": batch.ids * 1.0, **({"own": batch.ids} if len(batch) > 1 else {})}


class Sharing(pricers.Plain):
    """Keeps what it works on in a place that its threads share."""

    def price(self, batch: Batch, request: Request) -> Figures:
        desk["spot"] = batch.terms["spot"]
        if threading.current_thread() is not threading.main_thread():
            meeting.wait(10)  # so that it happens each time
        return {"pv": desk["spot"]}


desk: dict[str, NDArray[Any]] = {}
meeting = threading.Barrier(THREADS)


def counter() -> Pricer:
    """Knows how often it was called."""
    calls = itertools.count()
    return per_trade(lambda trade: next(calls), schema={}, version="1")


def guessing(trade: Mapping[str, Any]) -> float:
    return float(np.random.default_rng().random())


@pytest.mark.parametrize(
    ("pricer", "words"),
    [
        (Averaging(), "trade 95 is .* but priced alone"),
        (Rounding(), "trade 95 is .*'own'.* but priced alone"),
        (counter(), "trade 95 is .* but priced again"),
        (per_trade(guessing, schema={}, version="1"), "trade 95 is .* but priced again"),
        (Sharing(), "but priced while others were on other threads"),
        (pricers.counting, "no trade was priced; the first: .*read-only"),
        (european, "no trade was priced; the first: product is missing"),
    ],
)
def test_pricers_with_a_vice_do_not_pass(pricer: Pricer, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert_pricer(pricer, WARRANTS)


def test_trades_without_ids_are_numbered() -> None:
    assert [record["id"] for record in assert_pricer(european, OPTIONS)] == list(range(6))


def test_no_trades_are_no_test() -> None:
    with pytest.raises(AssertionError, match="no trade was priced; the first: none"):
        assert_pricer(pvonly, [])
