"""Pricing one chunk: whatever its pricer raises or returns, each trade has an outcome (G1, G5)."""

import pytest

from engine.pricing.european import pricer as european
from engine.pricing.pricer import Request
from engine.pricing.reasons import MAX_REASON
from engine.pricing.warrant import pvonly
from producer.generate import generate
from tests import pricers
from tests.engine.chunks import blocks_of, chunk, price, reasons


@pytest.mark.parametrize("error", sorted(pricers.ERRORS))
def test_a_trade_that_raises_is_rejected_alone(error: str) -> None:
    """G5, G3: its neighbours have the bits that they have without it."""
    blocks = blocks_of(generate(1, 0, 100))
    quiet = Request(seed=3, options={"ids": [], "error": error})
    loud = Request(seed=3, options={"ids": [7], "error": error})
    expected = price(pricers.raising, chunk("0-20", blocks, quiet))
    records = price(pricers.raising, chunk("0-20", blocks, loud))
    assert list(reasons(records)) == [7]
    assert records[7]["reason"].startswith(type(pricers.ERRORS[error]).__name__)
    assert len(records[7]["reason"]) <= MAX_REASON
    assert records[:7] + records[8:] == expected[:7] + expected[8:]


def test_a_pricer_that_raises_for_all_rejects_all() -> None:
    """G5."""
    request = Request(options={"ids": list(range(20)), "error": "value"})
    records = price(pricers.raising, chunk("0-9", blocks_of(generate(1, 0, 10)), request))
    assert set(reasons(records).values()) == {"ValueError: no such curve"}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nothing", "TypeError: the pricer returned NoneType: must be a mapping of figures"),
        ("id", "ValueError: the pricer returned a figure named 'id', which means something else"),
        ("too many", "ValueError: the pricer returned pv of shape (2,) for 1 trades"),
        ("a table", "ValueError: the pricer returned pv of shape (1, 2) for 1 trades"),
        ("text", "ValueError: the pricer returned pv of type <U1: must be numbers"),
        ("complex", "ValueError: the pricer returned pv of type complex128: must be numbers"),
        ("objects", "ValueError: the pricer returned pv of type object: must be numbers"),
        ("truth", "ValueError: the pricer returned pv of type bool: must be numbers"),
        ("infinite", "pv is -inf"),
    ],
)
def test_a_pricer_that_returns_no_prices_is_a_reason(what: str, reason: str) -> None:
    """G5."""
    request = Request(options={"what": what})
    records = price(pricers.returning, chunk("0-4", blocks_of(generate(1, 0, 5)), request))
    assert len(reasons(records)) == 5
    assert all(told.startswith(reason) for told in reasons(records).values())


@pytest.mark.parametrize("what", ["single", "long double"])
def test_numbers_of_any_width_are_prices(what: str) -> None:
    request = Request(options={"what": what})
    records = price(pricers.returning, chunk("0-4", blocks_of(generate(1, 0, 5)), request))
    assert [record["pv"] for record in records] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_pv_that_is_no_number_is_a_reason_and_another_figure_is_left_out() -> None:
    """G5."""
    blocks = blocks_of(generate(1, 0, 6))
    records = price(pricers.returning, chunk("0-5", blocks, Request(options={"what": "nan"})))
    assert reasons(records) == {0: "pv is nan", 3: "pv is nan"}
    assert all(record["se"] == 1.0 for record in records if record["id"] % 3)
    records = price(pricers.returning, chunk("0-5", blocks, Request(options={"what": "nan error"})))
    assert not reasons(records)
    assert not any("se" in record for record in records)


def test_a_pricer_may_refuse_trades_and_price_the_others() -> None:
    """G5."""
    request = Request(options={"what": "reasons"})
    records = price(pricers.returning, chunk("0-2", blocks_of(generate(1, 0, 3)), request))
    assert reasons(records) == {0: "x", 1: "x"}
    assert records[2]["pv"] == 1.0


def test_a_pricers_own_figures_stand_behind_the_known_ones_by_name() -> None:
    request = Request(options={"what": "own"})
    records = price(pricers.returning, chunk("0-1", blocks_of(generate(1, 0, 2)), request))
    expected = {"id": 0, "pv": 2.0, "alpha": 3.0, "zeta": 1.0, "attempts": 1, "ms": 0.0}
    assert list(records[0].items()) == [*expected.items(), ("outcome", "priced")]


def test_a_pricer_cannot_change_the_request_of_others() -> None:
    """G3: the threads of a consumer share it."""
    given = {"ids": [7]}
    request = Request(options=given)
    told = reasons(price(pricers.meddling, chunk("0-2", blocks_of(generate(1, 0, 3)), request)))
    assert len(told) == 3
    assert all("does not support item assignment" in reason for reason in told.values())
    assert request == Request(options={"ids": [7]})
    given.clear()
    assert request.options == {"ids": [7]}


MIXED = """["id","product","option_type","spot","strike","vol","maturity","domestic_rate",
"foreign_rate","notional","drift"]
[0,"european","put",1.1,1.0,0.1,0.5,0.01,0.02,1000.0,null]
[1,null,null,1.1,1.0,0.1,0.5,null,null,1000.0,0.1]
[2,"european","Put",1.1,1.0,0.1,0.5,0.01,0.02,1000.0,null]
[3,"swap",null,null,null,null,5,null,null,1000.0,null]
[4,"european","call",1.1,1.0,0.1,0.5,0.01,0.02,1000.0,null]""".replace(",\n", ",")


def test_in_a_mixed_book_each_product_is_priced_by_its_own() -> None:
    """G5."""
    blocks: dict[int, bytes | None] = {0: MIXED.encode()}
    records = price(european, chunk("0-4", blocks))
    assert reasons(records) == {
        1: "product is missing: must be european for this algorithm",
        2: "option_type is 'Put': must be call or put",
        3: "product is 'swap': must be european for this algorithm",
    }
    assert list(records[0]) == ["id", "pv", "delta", "vega", "attempts", "ms", "outcome"]
    told = reasons(price(pvonly, chunk("0-4", blocks)))
    assert told[0] == "product is 'european': must be warrant for this algorithm"
    assert told[1] == "vol_of_vol is missing: must be a number of at least 0 and at most 1000000"
    # Whose schema is his own takes what has these fields.
    assert reasons(price(pricers.plain, chunk("0-4", blocks))) == {
        3: "spot is missing: must be a number above 0"
    }


@pytest.mark.parametrize("failure", [0.0, 1e-9])
def test_a_pricer_cannot_bump_its_input(failure: float) -> None:
    """G3: raising after that, it would have prices depend on the chunk."""
    work = chunk("0-4", blocks_of(generate(1, 0, 5)), failure=failure)
    told = reasons(price(pricers.bumping, work))
    assert len(told) == 5
    assert all("read-only" in reason for reason in told.values())
