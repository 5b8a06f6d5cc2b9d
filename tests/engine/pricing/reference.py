"""The warrant's model, written as plainly as NumPy allows: what the kernels are to compute."""

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from engine.pricing.pricer import Batch

Terms = Mapping[str, Any]

TYPICAL: Terms = {
    "spot": 0.88,
    "strike": 0.82,
    "drift": 0.03,
    "vol": 0.08,
    "vol_of_vol": 0.0015,
    "rho": 4e-5,
    "maturity": 0.2,
    "steps": 172,
    "paths": 1000,
    "warrants": 40_000,
    "notional": 1000.0,
    "start_date": "2017-12-29",
    "end_date": "2018-08-28",
}


def called(function: Any) -> Any:
    """A function that kernels inline, to be called from Python."""
    return numba.njit(error_model="numpy")(lambda *arguments: function(*arguments))


def batch_of(*trades: Terms, first_id: int = 0, ids: list[int] | None = None) -> Batch:
    """A batch of ``TYPICAL`` with the given terms in place of its own."""
    columns = {name: np.array([{**TYPICAL, **trade}[name] for trade in trades]) for name in TYPICAL}
    if ids is None:
        ids = list(range(first_id, first_id + len(trades)))
    return Batch(np.array(ids, dtype=np.int64), columns)


def path_payoffs(
    terms: Terms, z1: NDArray[np.float64], z2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Payoffs of paths made from normals of shape (steps, paths)."""
    nu, rho, strike = terms["vol_of_vol"], terms["rho"], terms["strike"]
    dt = terms["maturity"] / terms["steps"]
    spot = np.full(z1.shape[1], float(terms["spot"]))
    vol = np.full(z1.shape[1], float(terms["vol"]))
    alive = spot >= strike
    for first, second in zip(z1, z2, strict=True):
        correlated = rho * first + math.sqrt(1 - rho**2) * second
        vol = vol * np.exp(-(nu**2) / 2 * dt + nu * math.sqrt(dt) * correlated)
        spot = spot * np.exp((terms["drift"] - vol**2 / 2) * dt + vol * math.sqrt(dt) * first)
        alive &= spot >= strike
    spot = np.where(alive, spot, strike)  # What is knocked out may have fallen to 0.
    amount = terms["warrants"] * terms["notional"]
    payoffs = amount * np.maximum(0.0, spot / strike - 1) / spot * 1.000799081
    return np.asarray(payoffs, dtype=np.float64)


def plain_totals(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums over paths of their plain values, of shape (...), from a kernel's (..., 2, 8)."""
    number, shift_d, shift_c, total_d, total_c = np.moveaxis(sums, -1, 0)[:5]
    totals = number * (shift_d + shift_c) + total_d + total_c
    return np.asarray(totals.sum(axis=-1), dtype=np.float64)


def plain_errors(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard errors without controls, of shape (...), from a kernel's (..., 2, 8)."""
    number, _, _, d, c, dd, cc, dc = np.moveaxis(sums, -1, 0)
    squares = (dd - d * d / number) + (cc - c * c / number) + 2 * (dc - d * c / number)
    errors = np.sqrt(squares.sum(axis=-1)) / number.sum(axis=-1)
    return np.asarray(errors, dtype=np.float64)


def vanilla_price(terms: Terms) -> float:
    """The price without barrier, or with one step, at constant volatility: a closed form.

    With x = log(spot / strike) normal at maturity, E[max(0, 1 - exp(-x))].
    """
    spread = terms["vol"] * math.sqrt(terms["maturity"])
    mean = (
        math.log(terms["spot"] / terms["strike"]) + terms["drift"] * terms["maturity"]
    ) - spread**2 / 2
    unit = normal_cdf(mean / spread) - math.exp(spread**2 / 2 - mean) * normal_cdf(
        mean / spread - spread
    )
    return float(terms["warrants"] * terms["notional"] / terms["strike"] * 1.000799081 * unit)


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def two_step_price(terms: Terms) -> float:
    """The price with two steps at constant volatility, by quadrature over the first."""
    dt = terms["maturity"] / 2
    spread = terms["vol"] * math.sqrt(dt)
    mean = math.log(terms["spot"] / terms["strike"]) + (terms["drift"] - terms["vol"] ** 2 / 2) * dt
    edge = max(-mean / spread, -8.0)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = edge + (8.0 - edge) * (nodes + 1) / 2
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    later = [
        vanilla_price(
            {**terms, "spot": terms["strike"] * math.exp(mean + spread * x), "maturity": dt}
        )
        for x in z
    ]
    return float((8.0 - edge) / 2 * np.sum(weights * density * np.array(later)))
