"""The peer: how the older azfinsim priced a trade, in our words.

It moves all paths a date at a time with NumPy, keeps every path's spot on every date, and then goes
through them in Python: a payoff a path, and two comparisons with the barrier a path and date. Its
random numbers are NumPy's global ones, drawn afresh for each price; it knows no standard error.
"""

import math

import numpy as np
from numpy.typing import NDArray

from loadtest.numpy_peer import PAYOFF_FACTOR, Terms


def price(terms: Terms, paths: int) -> float:
    """The PV of one trade, from so many paths."""
    spots = _simulate(terms, paths)
    last = spots[:, -1]
    strike, amount = terms["strike"], terms["warrants"] * terms["notional"]
    settled = np.zeros(paths)
    for path in range(paths):
        settled[path] = amount * max(0.0, last[path] / strike - 1.0) / last[path]
    knocked = np.zeros(spots.shape)
    for path in range(paths):
        for date in range(spots.shape[1]):
            if spots[path, date] - strike < 0:
                knocked[path, date] = 1.0
            if spots[path, date] - strike > 0:
                knocked[path, date] = 0.0
    settled[knocked.sum(axis=1) > 0] = 0.0
    return float(settled.mean() * PAYOFF_FACTOR)


def _simulate(terms: Terms, paths: int) -> NDArray[np.float64]:
    """Spots of shape (paths, steps + 1)."""
    steps, nu, rho = int(terms["steps"]), terms["vol_of_vol"], terms["rho"]
    dt = terms["maturity"] / steps
    vols = np.empty((steps + 1, paths))
    spots = np.empty((steps + 1, paths))
    vols[0], spots[0] = terms["vol"], terms["spot"]
    for t in range(1, steps + 1):
        z1 = np.random.standard_normal(paths)
        z2 = np.random.standard_normal(paths)
        correlated = rho * z1 + math.sqrt(1 - rho**2) * z2
        vols[t] = vols[t - 1] * np.exp(-(nu**2) / 2 * dt + nu * math.sqrt(dt) * correlated)
        drift = (terms["drift"] - vols[t] ** 2 / 2) * dt
        spots[t] = spots[t - 1] * np.exp(drift + vols[t] * math.sqrt(dt) * z1)
    return np.ascontiguousarray(spots.T)
