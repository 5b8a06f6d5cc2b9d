"""Pricing to an accuracy: enough paths and no more, honest errors, and what users may ask for."""

import math

import pytest

from engine.pricing.pricer import Pricer, Request
from engine.pricing.warrant import MOST_PATHS, deltavega, pvonly
from tests.engine.pricing.reference import TYPICAL, Terms, batch_of, two_step_price

BOTH = pytest.mark.parametrize("pricer", [pvonly, deltavega], ids=["pvonly", "deltavega"])

NEAR: Terms = {"spot": 0.823, "steps": 20}
WILD: Terms = {"vol_of_vol": 1.0, "rho": -0.9, "maturity": 2.0, "steps": 10}


@pytest.mark.parametrize(
    ("pricer", "least"), [(pvonly, 128), (deltavega, 512)], ids=["pvonly", "deltavega"]
)
def test_trades_take_the_paths_that_they_need(pricer: Pricer, least: int) -> None:
    batch = batch_of({}, NEAR, WILD, {"spot": 0.81})
    figures = pricer.price(batch, Request(accuracy=0.01))
    assert (figures["se"] <= 0.01 * abs(figures["pv"])).all()
    easy, near, wild, worthless = figures["paths"].tolist()
    assert (easy, worthless) == (least, least)
    assert 256 < near < 10_000
    assert 256 < wild < 10_000
    # Twice the accuracy for four times the paths, or nearly.
    finer = pricer.price(batch, Request(accuracy=0.005))["paths"].tolist()
    assert 2 < finer[1] / near < 8


def test_paths_are_then_the_most_that_a_trade_takes() -> None:
    request = Request(accuracy=1e-9, paths=1000)
    assert pvonly.price(batch_of(NEAR, WILD), request)["paths"].tolist() == [1000, 1000]
    assert pvonly.price(batch_of(NEAR), Request(accuracy=1e-9, paths=1))["paths"] == 1
    # And else it is not the trade's own number.
    one_step = {**WILD, "steps": 1, "paths": 10}
    assert pvonly.price(batch_of(one_step), Request(accuracy=1e-9))["paths"] == MOST_PATHS


@BOTH
@pytest.mark.parametrize("accuracy", [0.0, -0.01, math.nan, math.inf])
def test_an_accuracy_that_is_none_is_an_error(pricer: Pricer, accuracy: float) -> None:
    with pytest.raises(ValueError, match=r"accuracy is .*: must be a finite number above 0"):
        pricer.price(batch_of({}), Request(accuracy=accuracy))


def test_greeks_of_few_knock_outs_are_as_honest() -> None:
    # One path in 250 is knocked out, and has a part in vega that its part in the PV does not show.
    batch = batch_of(*[{"spot": 0.9}] * 500)
    figures = deltavega.price(batch, Request(accuracy=0.001))
    for name in ("delta", "vega"):
        spread = figures[name].std(ddof=1)
        assert math.sqrt((figures[f"{name}_se"] ** 2).mean()) == pytest.approx(spread, rel=0.25)


def test_two_standard_errors_hold_what_they_promise() -> None:
    # Stopping when an error looks small must not make estimates worse than they say.
    runs = 2000
    for spot, accuracy in ((0.8205, 0.03), (0.84, 0.02), (0.9, 0.0005)):
        terms = {**TYPICAL, "spot": spot, "vol_of_vol": 0.0, "steps": 2, "vol": 0.2}
        figures = pvonly.price(batch_of(*[terms] * runs), Request(accuracy=accuracy))
        distance = (figures["pv"] - two_step_price(terms)) / figures["se"]
        assert 0.93 < (abs(distance) < 1.96).mean() < 0.965
        # In standard errors of a single run: the bias is far below what a user can see.
        assert abs(distance.mean()) < 0.1
