"""The control: the closed form against a plain one, its martingale, and what it does to errors."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.pricing import control
from engine.pricing.greeks import add_greeks
from engine.pricing.pricer import Request
from engine.pricing.simulate import Tally, add_paths
from engine.pricing.warrant import deltavega, trades_of
from tests.engine.pricing.reference import (
    TYPICAL,
    Terms,
    batch_of,
    called,
    normal_cdf,
    plain_errors,
    two_step_price,
)

control_terms, control_value = called(control.control_terms), called(control.control_value)

CASES = [(0.07, 0.001, 0.006), (0.004, -0.002, 0.01), (0.0, 0.02, 0.03), (-0.01, -0.1, 0.5)]
"""x, and drift and volatility of a step."""


def value(x: float, drift: float, q: float, steps: int, left: int, b: float) -> float:
    """m, as the module's head defines it, with ``left`` of ``steps`` steps to go."""

    def vanilla(x: float) -> float:
        if left == 0:
            return max(0.0, 1 - math.exp(-x))
        mean, spread = x + alpha * left, q * math.sqrt(left)
        shifted = math.exp(spread**2 / 2 - mean) * normal_cdf(mean / spread - spread)
        return normal_cdf(mean / spread) - shifted

    alpha = drift - q * q / 2
    image = math.exp(-2 * alpha * (x - b) / q**2) * vanilla(2 * b - x)
    return vanilla(x) - (image if steps > 1 and abs(alpha) <= q else 0.0)


@pytest.mark.parametrize(("x", "drift", "q"), CASES)
@pytest.mark.parametrize(("steps", "left"), [(1, 1), (1, 0), (2, 2), (172, 172), (172, 5), (30, 0)])
def test_closed_form_and_its_derivatives(
    x: float, drift: float, q: float, steps: int, left: int
) -> None:
    b = -0.5825971579390106 * q
    _, terms = control_terms(x, drift, q, steps, 0.0)
    walk = -(terms[2] / q) * (steps - left)  # which leaves the twin at x
    figures = control_value(steps, float(steps - left), walk, terms)
    small = 1e-5
    by_x = value(x + small, drift, q, steps, left, b) - value(x - small, drift, q, steps, left, b)
    # With volatility moves the boundary.
    up, down = (value(x, drift, q * f, steps, left, b * f) for f in (1 + small, 1 - small))
    assert figures[0] == pytest.approx(value(x, drift, q, steps, left, b), rel=1e-10, abs=1e-11)
    if x != 0.0 or left:  # where the payoff has a kink
        assert figures[1] == pytest.approx(by_x / (2 * small), rel=1e-6, abs=1e-9)
        assert figures[2] == pytest.approx((up - down) / (2 * small), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(("x", "drift", "q"), CASES)
def test_its_expectation_a_step_later_is_itself(x: float, drift: float, q: float) -> None:
    steps = 50
    _, terms = control_terms(x, drift, q, steps, 0.0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    later = [control_value(steps, 31.0, 2.0 + z, terms)[0] for z in nodes]
    now = control_value(steps, 30.0, 2.0, terms)[0]
    assert weights @ later / weights.sum() == pytest.approx(now, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("drift", "q", "steps", "controlled"),
    [
        (0.0, 0.01, 9, True),
        (0.0, 0.0, 9, False),
        (0.0, 1e-9, 9, False),
        (0.0, 1e9, 9, False),
        (1e300, 0.01, 9, False),
        (-1e300, 0.01, 9, False),
    ],
)
def test_which_trades_have_one(drift: float, q: float, steps: int, controlled: bool) -> None:
    assert control_terms(0.1, drift, q, steps, 0.0)[0] is controlled


@pytest.mark.parametrize(
    ("drift", "q", "steps", "unrest", "image"),
    [
        (0.0, 0.01, 9, 0.001, 1.0),
        (0.0, 0.01, 1, 0.001, 0.0),
        (0.009, 0.01, 9, 0.001, 1.0),
        (0.011, 0.01, 9, 0.001, 0.0),  # Past the barrier by drift alone, in a step.
        (-0.011, 0.01, 9, 0.001, 0.0),
        (0.005, 0.01, 9, 0.2, 1.0),
        (0.005, 0.01, 9, 0.5, 0.0),  # It would grow without bound.
        (-0.005, 0.01, 9, 0.5, 1.0),
    ],
)
def test_which_controls_have_an_image(
    drift: float, q: float, steps: int, unrest: float, image: float
) -> None:
    assert control_terms(0.1, drift, q, steps, unrest)[1][4] == image


WILD: Terms = {"maturity": 2.0, "steps": 12, "vol": 0.15, "vol_of_vol": 1.0}
WILD_TRADES: list[Terms] = [
    {**WILD, "rho": -0.9},
    {**WILD, "rho": -0.9, "spot": 0.8205},
    {**WILD, "rho": 0.9, "drift": 0.1},
    {**WILD, "rho": 0.9, "drift": -0.1, "spot": 0.83},
    {**WILD, "rho": 1.0, "steps": 1},
    {**WILD, "vol_of_vol": 3.0, "rho": 0.3},
    {"spot": 0.82},
    {"drift": -0.5, "steps": 5},
]


@pytest.fixture(scope="module")
def wild_sums() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and expectations of 30,000 paths."""
    trades = trades_of(batch_of(*WILD_TRADES), Request(seed=5, paths=30_000))
    tally = Tally.empty(len(WILD_TRADES), 3)
    add_paths(add_greeks, trades, 0 * trades.paths, trades.paths, tally)
    return tally.sums, tally.expected


def test_its_mean_is_its_expectation_however_random_volatility_is(
    wild_sums: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    sums, expected = wild_sums
    number, _, shift, _, total, _, squares, _ = np.moveaxis(sums, -1, 0)
    mean = (shift + total / number).mean(axis=2)
    error = np.sqrt((squares - total**2 / number).sum(axis=2)) / number.sum(axis=2)
    assert (abs(mean - expected) / error).max() < 4


def test_it_makes_no_error_larger(
    wild_sums: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    figures = deltavega.price(batch_of(*WILD_TRADES), Request(seed=5, paths=30_000))
    amounts = TYPICAL["warrants"] * TYPICAL["notional"] / TYPICAL["strike"] * 1.000799081
    plain = plain_errors(wild_sums[0]) * amounts
    spots = np.array([{**TYPICAL, **trade}["spot"] for trade in WILD_TRADES])
    assert (figures["se"] / plain[:, 0]).max() < 1.05
    assert (figures["delta_se"] * spots / plain[:, 1]).max() < 1.05
    assert (figures["vega_se"] / plain[:, 2]).max() < 1.05


@pytest.mark.parametrize(("spot", "factor"), [(0.825, 10), (0.88, 30), (0.95, 300)])
def test_errors_of_a_typical_trade_are_smaller_by(spot: float, factor: float) -> None:
    trades = trades_of(batch_of({"spot": spot}), Request(paths=4000))
    tally = Tally.empty(1, 3)
    add_paths(add_greeks, trades, np.array([0]), trades.paths, tally)
    plain = plain_errors(tally.sums)[0, 0]
    amount = TYPICAL["warrants"] * TYPICAL["notional"] / TYPICAL["strike"] * 1.000799081
    with_control = deltavega.price(batch_of({"spot": spot}), Request(paths=4000))["se"][0] / amount
    assert plain / with_control > factor


@pytest.mark.parametrize("spot", [0.82, 0.8205, 0.83, 0.9])
def test_unseen_hits_are_in_the_price(spot: float) -> None:
    # So few paths that hardly one, or every one, is knocked out.
    terms = {**TYPICAL, "spot": spot, "vol_of_vol": 0.0, "steps": 2, "vol": 0.1}
    runs = 1000
    figures = deltavega.price(batch_of(*[terms] * runs), Request(paths=40))
    error = figures["pv"].std() / math.sqrt(runs)
    assert abs(figures["pv"].mean() - two_step_price(terms)) < 4 * error


def test_twins_of_survivors_far_below_the_barrier_do_not_spoil_the_price() -> None:
    # The images of these grow to thousands, on so few paths that most samples see none.
    terms = {"drift": 1.0, "vol": 0.6, "vol_of_vol": 1.5, "rho": 0.5, "maturity": 2.0, "steps": 12}
    figures = deltavega.price(batch_of(*[terms] * 300), Request(paths=512))
    exact = deltavega.price(batch_of(*[terms] * 10, first_id=300), Request(paths=100_000))
    held = abs(figures["pv"] - exact["pv"].mean()) < 2 * figures["se"]
    assert held.mean() > 0.92
    assert figures["se"].max() < 2 * figures["se"].min()


def test_its_vega_is_next_to_that_of_the_warrant() -> None:
    # At constant volatility they differ by what knocked out paths leave, which is nothing in the
    # mean: so a sample that sees none of them, as most do far from the barrier, is not wrong.
    terms = {"spot": 0.84, "vol_of_vol": 0.0}
    trades = trades_of(batch_of(terms), Request(paths=1))
    tally = Tally.empty(1, 3)
    add_paths(add_greeks, trades, np.array([0]), trades.paths, tally)
    amount = TYPICAL["warrants"] * TYPICAL["notional"] / TYPICAL["strike"] * 1.000799081
    exact = deltavega.price(batch_of(terms), Request(paths=200_000))
    assert abs(tally.expected[0, 2] * amount / exact["vega"][0] - 1) < 0.02
    assert exact["vega_se"][0] < 0.006 * abs(exact["vega"][0])
