"""What a warrant is worth: the model path by path, closed forms, and the edges of its terms."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pricing.figures import by_trade
from engine.pricing.kernel import add_values
from engine.pricing.pricer import Figures, Pricer, Request
from engine.pricing.randoms import LANES, path_normals
from engine.pricing.simulate import Tally, add_paths
from engine.pricing.warrant import deltavega, pvonly, trades_of
from engine.trade import WARRANT
from tests.engine.pricing.reference import (
    TYPICAL,
    Terms,
    batch_of,
    path_payoffs,
    plain_totals,
    two_step_price,
    vanilla_price,
)

REFERENCE_PRICES = Path(__file__).parents[2] / "data" / "reference-prices.ndjson"

AMOUNT = TYPICAL["warrants"] * TYPICAL["notional"] / TYPICAL["strike"] * 1.000799081

BOTH = pytest.mark.parametrize("pricer", [pvonly, deltavega], ids=["pvonly", "deltavega"])


def figures_of(pricer: Pricer, terms: Terms, paths: int = 1000, seed: int = 1) -> dict[str, float]:
    figures = pricer.price(batch_of(terms), Request(seed=seed, paths=paths))
    return {name: column[0] for name, column in figures.items()}


def z_score(figures: Figures, name: str, exact: float) -> float:
    error = figures["se" if name == "pv" else f"{name}_se"]
    return ((figures[name] - exact) / error).item()


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"spot": 0.8201},
        {"vol_of_vol": 0.8, "rho": -0.7, "maturity": 1.0, "steps": 50},
        {"vol_of_vol": 2.5, "rho": 1.0, "maturity": 2.0, "steps": 8, "vol": 0.3},
        {"vol_of_vol": 0.5, "rho": -1.0, "steps": 1},
        {"drift": -3.0, "vol": 1.5},
    ],
    ids=str,
)
def test_each_path_is_worth_what_the_model_says(terms: Terms) -> None:
    terms = {**TYPICAL, **terms}
    # The price of n paths for each n, so that each path's payoff is a difference of two.
    batch = batch_of(*({**terms, "paths": n} for n in range(1, LANES + 1)), ids=[9] * LANES)
    trades = trades_of(batch, Request(seed=3))
    tally = Tally.empty(LANES, 1)
    add_paths(add_values, trades, 0 * trades.paths, trades.paths, tally)
    values = np.diff(plain_totals(tally.sums[:, 0]), prepend=0.0)

    normals = path_normals(np.uint64(3), 9, 0, terms["steps"]).astype(np.float64)
    expected = path_payoffs(terms, *normals)
    payoffs = values * AMOUNT
    np.testing.assert_allclose(payoffs, expected, rtol=1e-6, atol=1e-6 * expected.max())


def reference_trades() -> list[dict[str, object]]:
    return [json.loads(line) for line in REFERENCE_PRICES.read_text().splitlines()]


@pytest.mark.pain("older-azfinsim-the-result-is-the-input")
@pytest.mark.parametrize("name", ["pv", "delta", "vega"])
def test_reference_trades_lie_within_four_standard_errors(
    name: str, reference_figures: Figures
) -> None:
    exact = np.array([trade["reference"][name] for trade in reference_trades()])  # type: ignore[index]  # It is JSON.
    errors = reference_figures["se" if name == "pv" else f"{name}_se"]
    z = (reference_figures[name] - exact) / errors
    assert abs(z).max() < 4
    assert (z**2).mean() < 1.9
    # A standard error that says nothing would pass all of the above.
    worst = {"pv": 0.025, "delta": 0.03, "vega": 0.2}[name]
    assert (errors / abs(exact)).max() < worst


@pytest.fixture(scope="module")
def reference_figures() -> Figures:
    trades = reference_trades()
    batch = batch_of(*trades, ids=[int(str(trade["id"])) for trade in trades])
    return deltavega.price(batch, Request(seed=1, paths=50_000))


@pytest.mark.parametrize("spot", [0.82, 0.83, 0.9, 1.5])
@pytest.mark.parametrize("drift", [-0.2, 0.3])
def test_one_step_is_a_vanilla_option(spot: float, drift: float) -> None:
    terms = {**TYPICAL, "spot": spot, "drift": drift, "vol_of_vol": 0.0, "steps": 1, "vol": 0.2}
    figures = deltavega.price(batch_of(terms), Request(seed=1, paths=100_000))
    # The control is the payoff itself: what is left is rounding.
    assert figures["pv"] == pytest.approx(vanilla_price(terms), rel=1e-13)
    for name, field in (("delta", "spot"), ("vega", "vol")):
        up, down = ({**terms, field: terms[field] * factor} for factor in (1 + 1e-5, 1 - 1e-5))
        exact = (vanilla_price(up) - vanilla_price(down)) / (2e-5 * terms[field])
        assert figures[name] == pytest.approx(exact, rel=1e-6)
    assert figures["se"] < 1e-9
    assert max(figures["delta_se"], figures["vega_se"]) < 1e-3


@pytest.mark.parametrize("spot", [0.82, 0.823, 0.85])
def test_two_steps_are_a_quadrature(spot: float) -> None:
    terms = {**TYPICAL, "spot": spot, "vol_of_vol": 0.0, "steps": 2, "vol": 0.1}
    figures = deltavega.price(batch_of(terms), Request(seed=1, paths=400_000))
    assert abs(z_score(figures, "pv", two_step_price(terms))) < 4
    for name, field in (("delta", "spot"), ("vega", "vol")):
        up, down = ({**terms, field: terms[field] * factor} for factor in (1 + 1e-5, 1 - 1e-5))
        exact = (two_step_price(up) - two_step_price(down)) / (2e-5 * terms[field])
        assert abs(z_score(figures, name, exact)) < 4


def test_a_far_barrier_is_none() -> None:
    terms = {**TYPICAL, "spot": 2.0, "vol_of_vol": 0.0}
    figures = pvonly.price(batch_of(terms), Request(paths=20_000))
    assert abs(z_score(figures, "pv", vanilla_price(terms))) < 4


def test_the_interval_of_two_standard_errors_covers_95_percent() -> None:
    terms = {**TYPICAL, "spot": 0.85, "vol_of_vol": 0.0, "steps": 2, "vol": 0.2}
    runs = 2000
    figures = deltavega.price(batch_of(*[terms] * runs), Request(paths=500))
    covered = abs(figures["pv"] - two_step_price(terms)) < 1.96 * figures["se"]
    assert 0.935 < covered.mean() < 0.965


@pytest.mark.pain("older-azfinsim-deltavega-never-runs")
def test_deltavega_has_the_same_pv_bits() -> None:
    batch = batch_of({}, {"rho": -0.9, "vol_of_vol": 1.0}, {"spot": 0.82}, {"vol": 0.0})
    alone, together = (p.price(batch, Request(paths=300)) for p in (pvonly, deltavega))
    for name in ("pv", "se", "paths"):
        np.testing.assert_array_equal(alone[name], together[name])


def test_paths_of_the_request_override_the_trades_own() -> None:
    batch = batch_of({"paths": 200}, {"paths": 300})
    assert pvonly.price(batch, Request())["paths"].tolist() == [200, 300]
    assert pvonly.price(batch, Request(paths=150))["paths"].tolist() == [150, 150]
    with pytest.raises(ValueError, match="at least 1"):
        pvonly.price(batch, Request(paths=0))


@BOTH
def test_figures_and_schema(pricer: Pricer) -> None:
    assert pricer.schema is WARRANT
    assert pricer.releases_gil
    figures = pricer.price(batch_of({}, {}, {}), Request(paths=10))
    greeks = [] if pricer is pvonly else ["delta", "delta_se", "vega", "vega_se"]
    assert list(figures) == ["pv", "se", *greeks, "paths"]
    assert all(column.shape == (3,) for column in figures.values())
    assert all(len(column) == 0 for column in pricer.price(batch_of(), Request()).values())


@BOTH
def test_spot_below_strike_is_worth_nothing_exactly(pricer: Pricer) -> None:
    figures = figures_of(pricer, {"spot": np.nextafter(0.82, 0), "drift": 50.0})
    assert {value for name, value in figures.items() if name != "paths"} == {0.0}


@BOTH
@pytest.mark.parametrize("paths", [1, 2, 33, 2**31])
def test_what_is_knocked_out_at_the_start_takes_no_time(pricer: Pricer, paths: int) -> None:
    # So many steps of nothing would take minutes.
    figures = figures_of(pricer, {"spot": 0.8}, paths=paths)
    assert (figures["pv"], figures["paths"]) == (0.0, paths)
    assert figures["se"] == 0.0 or (paths == 1 and math.isnan(figures["se"]))


@BOTH
def test_spot_at_the_strike_survives(pricer: Pricer) -> None:
    still = {"spot": 0.82, "vol": 0.0, "drift": 0.0}
    rising = {**still, "drift": 0.1}
    assert figures_of(pricer, still)["pv"] == 0.0
    assert figures_of(pricer, rising)["pv"] == pytest.approx(deterministic_pv(rising))
    assert figures_of(pricer, {"spot": 0.82})["pv"] > 0.0


def deterministic_pv(terms: Terms) -> float:
    payoff: NDArray[np.float64] = path_payoffs({**TYPICAL, **terms}, *np.zeros((2, 172, 1)))
    return float(payoff[0])


def test_without_volatility_figures_are_exact() -> None:
    terms = {"vol": 0.0, "drift": 0.05, "vol_of_vol": 0.0}
    figures = figures_of(deltavega, terms, paths=100_000)
    spot = TYPICAL["spot"]
    up = deterministic_pv({**terms, "spot": spot * (1 + 1e-6)})
    down = deterministic_pv({**terms, "spot": spot * (1 - 1e-6)})
    assert figures["pv"] == pytest.approx(deterministic_pv(terms), rel=1e-12)
    assert figures["delta"] == pytest.approx((up - down) / (2e-6 * spot), rel=1e-6)
    assert figures["se"] == figures["delta_se"] == 0.0
    # The first normal of each step moves the spot by vol, up and down alike.
    assert abs(figures["vega"]) < 4 * figures["vega_se"]
    assert deterministic_pv({**terms, "drift": -5.0}) == 0.0
    assert figures_of(pvonly, {**terms, "drift": -5.0})["pv"] == 0.0


@pytest.mark.parametrize("vol", [1e-310, 1e-200, 1e-100, 1e-12])
@pytest.mark.parametrize("spot", [0.82, 0.88])
def test_tiny_volatility_is_next_to_none(vol: float, spot: float) -> None:
    tiny = figures_of(deltavega, {"vol": vol, "spot": spot, "drift": 0.01})
    none = figures_of(deltavega, {"vol": 0.0, "spot": spot, "drift": 0.01})
    for name in ("pv", "delta", "vega"):
        assert tiny[name] == pytest.approx(none[name], rel=1e-6), name


@BOTH
def test_a_single_path_has_no_standard_error(pricer: Pricer) -> None:
    figures = figures_of(pricer, {}, paths=1)
    assert figures["pv"] >= 0.0
    assert math.isnan(figures["se"])
    assert figures["paths"] == 1


@BOTH
def test_tiny_maturity_is_worth_its_value_today(pricer: Pricer) -> None:
    for maturity in (5e-324, 1e-300, 1e-20):
        figures = figures_of(pricer, {"maturity": maturity})
        today = deterministic_pv({"maturity": maturity})
        assert figures["pv"] == pytest.approx(today, rel=1e-8)


@pytest.mark.parametrize(("drift", "share"), [(1e6, 1.0), (1e300, 1.0), (-1e6, 0.0), (-1e300, 0.0)])
def test_extreme_drift_pays_all_or_nothing(drift: float, share: float) -> None:
    figures = figures_of(deltavega, {"drift": drift})
    most = TYPICAL["warrants"] * TYPICAL["notional"] / TYPICAL["strike"] * 1.000799081
    assert figures["pv"] == pytest.approx(share * most)
    assert figures["delta"] == pytest.approx(0.0, abs=1e-12)


@BOTH
def test_amounts_too_large_are_a_reason_and_harm_no_neighbour(pricer: Pricer) -> None:
    huge = {"warrants": 2**53, "notional": 1e300}
    figures = pricer.price(batch_of({}, huge, {**huge, "spot": 0.5}), Request(paths=10))
    records, reasons = by_trade(figures, [0, 1, 2])
    assert reasons == dict.fromkeys((1, 2), "warrants * notional / strike is too large")
    alone = pricer.price(batch_of({}), Request(paths=10))
    assert records == by_trade(alone, [0])[0]


def test_a_delta_too_large_is_a_reason() -> None:
    tiny = {"spot": 1e-300, "strike": 1e-300, "warrants": 10, "notional": 1.0}
    assert np.isfinite(pvonly.price(batch_of(tiny), Request(paths=10))["pv"]).all()
    assert by_trade(deltavega.price(batch_of(tiny), Request(paths=10)), [0])[1].keys() == {0}


positive = st.floats(1e-6, 1e6)


@settings(deadline=None, max_examples=150)
@given(
    spot=positive,
    strike=positive,
    drift=st.floats(-1e3, 1e3),
    vol=st.floats(0, 1e3),
    vol_of_vol=st.floats(0, 1e3),
    rho=st.floats(-1, 1),
    maturity=st.floats(1e-9, 1e3),
    steps=st.integers(1, 20),
    paths=st.integers(2, 300),
)
def test_figures_of_any_terms_are_numbers(**terms: float) -> None:
    figures = deltavega.price(batch_of(terms), Request())
    assert all(np.isfinite(column).all() for column in figures.values())
    # What is worth next to nothing, or next to all, may be estimated beyond it.
    most = TYPICAL["warrants"] * TYPICAL["notional"] / terms["strike"] * 1.001
    assert -most <= figures["pv"][0] <= 2 * most


def test_greeks_per_basis_point() -> None:
    batch = batch_of({})
    one = deltavega.price(batch, Request(paths=100))
    points = deltavega.price(batch, Request(paths=100, options={"greeks_per": "basis_point"}))
    for name in figures_in(one):
        scale = 1e-4 if name.startswith(("delta", "vega")) else 1.0
        assert points[name] == pytest.approx(one[name] * scale, rel=1e-15)
    unit = deltavega.price(batch, Request(paths=100, options={"greeks_per": "unit"}))
    assert all((unit[name] == one[name]).all() for name in one)


def figures_in(figures: Figures) -> list[str]:
    assert "delta_se" in figures
    return list(figures)


@pytest.mark.parametrize("per", ["percent", "", None, 1, ["unit"]])
def test_greeks_per_anything_else_is_an_error(per: object) -> None:
    with pytest.raises(
        ValueError, match=r"option greeks_per is .*: must be one of unit, basis_point"
    ):
        deltavega.price(batch_of({}), Request(options={"greeks_per": per}))
