"""Knock-out FX warrants under stochastic volatility, by Monte Carlo: the pricers.

The model is that of the older azfinsim. A path's log-volatility and log-spot move by Euler steps of
dt = maturity / steps on two correlated normals; the warrant is worthless if the spot is below the
strike on any date, the first one included, and else pays on the last date

    warrants * notional * max(0, spot / strike - 1) / spot * 1.000799081

Delta is dPV/dspot and vega dPV/dvol, by the initial volatility, of that product as it is monitored.
Where spot equals strike, delta is the derivative upwards.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.pricing.greeks import simulate_greeks
from engine.pricing.kernel import simulate_values
from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import WARRANT, Schema

_TERMS = ("spot", "strike", "drift", "vol", "vol_of_vol", "rho", "maturity")
"""In the order of the kernels' rows."""

_PAYOFF_FACTOR = 1.000799081

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PvOnly:
    """Prices the PV alone."""

    version: str = "1"
    releases_gil: bool = True
    schema: ClassVar[Schema] = WARRANT

    def price(self, batch: Batch, request: Request) -> Figures:
        """Return ``pv``, ``se`` and ``paths``.

        The standard error of a single path is not defined, and NaN. Raises ValueError for fewer
        than one path, and for amounts too large for a float64.
        """
        terms, steps, paths = _kernel_arguments(batch, request)
        sums = simulate_values(_seed(request), np.array(batch.ids), terms, steps, paths)
        pv, se = _means_and_errors(sums[:, 0], _amounts(batch))
        return {"pv": pv, "se": se, "paths": paths}


@dataclass(frozen=True, slots=True)
class DeltaVega:
    """Prices PV, delta and vega in one pass; its PV is that of ``PvOnly`` to the last bit."""

    version: str = "1"
    releases_gil: bool = True
    schema: ClassVar[Schema] = WARRANT

    def price(self, batch: Batch, request: Request) -> Figures:
        """Return ``pv, se, delta, delta_se, vega, vega_se`` and ``paths``; else as ``PvOnly``."""
        terms, steps, paths = _kernel_arguments(batch, request)
        sums = simulate_greeks(_seed(request), np.array(batch.ids), terms, steps, paths)
        amounts = _amounts(batch)
        pv, se = _means_and_errors(sums[:, 0], amounts)
        # x = log(spot / strike), so d/dspot is d/dx over spot.
        delta, delta_se = _means_and_errors(
            sums[:, 1], _finite(batch, amounts / batch.terms["spot"])
        )
        vega, vega_se = _means_and_errors(sums[:, 2], amounts)
        return {
            "pv": pv,
            "se": se,
            "delta": delta,
            "delta_se": delta_se,
            "vega": vega,
            "vega_se": vega_se,
            "paths": paths,
        }


def _seed(request: Request) -> np.uint64:
    return np.uint64(request.seed % 2**64)


def _kernel_arguments(batch: Batch, request: Request) -> tuple[Floats, Integers, Integers]:
    """Terms of shape (7, trades), steps and paths, as fresh arrays.

    Numba compiles a kernel again for arrays that are read-only or not contiguous; these never are.
    """
    terms = np.array([batch.terms[name] for name in _TERMS], dtype=np.float64)
    steps = np.array(batch.terms["steps"], dtype=np.int64)
    if request.paths is None:
        return terms, steps, np.array(batch.terms["paths"], dtype=np.int64)
    if request.paths < 1:
        raise ValueError(f"paths is {request.paths}: must be at least 1")
    return terms, steps, np.full(len(batch), request.paths, dtype=np.int64)


def _amounts(batch: Batch) -> Floats:
    """What the kernels' unit is worth, in the trade's currency."""
    terms = batch.terms
    with np.errstate(over="ignore"):
        amounts = terms["warrants"] * terms["notional"] / terms["strike"] * _PAYOFF_FACTOR
    return _finite(batch, amounts)


def _finite(batch: Batch, amounts: Floats) -> Floats:
    too_large = ~np.isfinite(amounts)
    if too_large.any():
        raise ValueError(
            f"trade {batch.ids[too_large][0]}: warrants * notional / strike is too large"
        )
    return amounts


def _means_and_errors(sums: Floats, amounts: Floats) -> tuple[Floats, Floats]:
    """Means and their standard errors from (number, shift, sum, sum of squares), times amounts."""
    number, shift, total, squares = sums.T
    mean = total / number
    with np.errstate(divide="ignore", invalid="ignore"):
        # The clip is for rounding: a variance is not negative.
        variance = np.maximum(squares - total * mean, 0.0) / (number - 1.0)
        error = np.sqrt(variance / number)
    return amounts * (shift + mean), amounts * error


pvonly = PvOnly()
deltavega = DeltaVega()
