"""European FX options in closed form: the pricer.

Garman and Kohlhagen, "Foreign currency option values", Journal of International Money and Finance
2 (1983). S and K are in domestic currency for a unit of the foreign one; phi is 1 for a call and -1
for a put:

    PV = notional * phi * (S * exp(-r_f T) * N(phi d1) - K * exp(-r_d T) * N(phi d2))
    d1, d2 = (log(S / K) + (r_d - r_f) T) / (sigma sqrt(T)) +- sigma sqrt(T) / 2

Where sigma sqrt(T) is 0 the figures are the limits of these; delta, which has none at the forward,
is the mean of both sides there.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.pricing.jit import compiled, inlined
from engine.pricing.mathfn import exp64, log64, normal_cdf, scaled_normal
from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import EUROPEAN, Schema

_TERMS = ("spot", "strike", "vol", "maturity", "domestic_rate", "foreign_rate")
"""In the order of the kernel's rows."""

_MOST_GROWTH = 700.0
"""Rate by maturity: beyond it, ``exp64`` is not exp."""

_TOO_LARGE = "its terms are too large to be priced"

_FAR = 37.0
"""Standard deviations: a probability of 1e-299 is none, and exp64 knows no smaller ones."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class European:
    """Prices PV, delta and vega, exactly."""

    version: str = "1"
    releases_gil: bool = True
    schema: ClassVar[Schema] = EUROPEAN

    def price(self, batch: Batch, request: Request) -> Figures:
        """Return ``pv`` and, in domestic currency too, ``delta`` (dPV/dspot) and ``vega``.

        A trade whose terms are too large for a float64 has a reason instead.
        """
        # Numba compiles a kernel again for arrays that are read-only; these are fresh.
        terms = np.array([batch.terms[name] for name in _TERMS], dtype=np.float64)
        phi = np.where(batch.terms["option_type"] == "call", 1.0, -1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            figures = garman_kohlhagen(phi, terms) * batch.terms["notional"]
            growth = np.abs(terms[4:] * terms[3])
        fits = np.isfinite(figures).all(axis=0) & (growth <= _MOST_GROWTH).all(axis=0)
        named: dict[str, NDArray[Any]] = dict(zip(("pv", "delta", "vega"), figures, strict=True))
        if not fits.all():
            named["reason"] = np.array([None if fit else _TOO_LARGE for fit in fits])
        return named


@inlined
def _probability(z: float) -> float:
    return 0.0 if z < -_FAR else normal_cdf(z)


@inlined
def _density(z: float) -> float:
    return 0.0 if abs(z) > _FAR else scaled_normal(z, 0.0)[0]


@compiled
def garman_kohlhagen(phi: Floats, terms: Floats) -> Floats:
    """PV, delta and vega of options on one unit, shape (3, options).

    ``phi`` has shape (options,), ``terms`` (6, options): spot, strike, volatility, maturity, and
    the domestic and the foreign rate.
    """
    count = phi.shape[0]
    out = np.empty((3, count))
    for i in range(count):
        spot, strike, vol, maturity = terms[0, i], terms[1, i], terms[2, i], terms[3, i]
        domestic, foreign = terms[4, i], terms[5, i]
        discount = exp64(-foreign * maturity)
        spot_now, strike_now = spot * discount, strike * exp64(-domestic * maturity)
        root = math.sqrt(maturity)
        stdev = vol * root
        # log64 takes numbers of at least 1.
        moneyness = log64(spot / strike) if spot >= strike else -log64(strike / spot)
        moneyness += (domestic - foreign) * maturity
        centre = moneyness / stdev if moneyness != 0.0 else 0.0
        d1, d2 = centre + 0.5 * stdev, centre - 0.5 * stdev
        up, down = _probability(phi[i] * d1), _probability(phi[i] * d2)
        value = phi[i] * (spot_now * up - strike_now * down)
        # A difference of what is nearly equal may come out below 0.
        out[0, i] = 0.0 if value < 0.0 else value
        out[1, i] = phi[i] * discount * up
        out[2, i] = spot_now * root * _density(d1)
    return out


pricer = European()
