"""The peer: the same model in plain NumPy, as one would write it without further thought of speed.

All paths move a date at a time, in double precision, with the normals of NumPy's default generator.
"""

import math
from collections.abc import Mapping

import numpy as np

Terms = Mapping[str, float]
"""The numbers among a warrant's fields; see ``engine.trade.WARRANT``."""

PAYOFF_FACTOR = 1.000799081
"""The model's constant; see ``engine.pricing.warrant``."""


def price(terms: Terms, paths: int, seed: int) -> tuple[float, float]:
    """The PV of one trade and its standard error, from so many paths."""
    random = np.random.default_rng(seed)
    nu, rho, strike = terms["vol_of_vol"], terms["rho"], terms["strike"]
    dt = terms["maturity"] / terms["steps"]
    root_dt = math.sqrt(dt)
    spot = np.full(paths, terms["spot"])
    vol = np.full(paths, terms["vol"])
    alive = spot >= strike
    for _ in range(int(terms["steps"])):
        z1 = random.standard_normal(paths)
        z2 = random.standard_normal(paths)
        correlated = rho * z1 + math.sqrt(1 - rho**2) * z2
        vol *= np.exp(-(nu**2) / 2 * dt + nu * root_dt * correlated)
        spot *= np.exp((terms["drift"] - vol**2 / 2) * dt + vol * root_dt * z1)
        alive &= spot >= strike
    amount = terms["warrants"] * terms["notional"] * PAYOFF_FACTOR
    payoffs = np.where(alive, amount * np.maximum(spot / strike - 1, 0) / spot, 0.0)
    return float(payoffs.mean()), float(payoffs.std(ddof=1) / math.sqrt(paths))
