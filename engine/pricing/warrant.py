"""Knock-out FX warrants under stochastic volatility, by Monte Carlo: the pricers.

The model is that of the older azfinsim. A path's log-volatility and log-spot move by Euler steps of
dt = maturity / steps on two correlated normals; the warrant is worthless if the spot is below the
strike on any date, the first one included, and else pays on the last date

    warrants * notional * max(0, spot / strike - 1) / spot * 1.000799081

Delta is dPV/dspot and vega dPV/dvol, by the initial volatility, of that product as it is monitored.
Where spot equals strike, delta is the derivative upwards.

All figures are unbiased estimates with a control variate (``engine.pricing.control``). One that is
next to nothing may so lie below 0, by no more than its error lets expect. Errors are those of
sampling: where volatility is constant and the barrier far away, they shrink to nothing, and what is
left are some 1e-8 of the price, by which normals of single precision miss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.pricing.estimate import FIRST_LOOK, SECOND_LOOK
from engine.pricing.greeks import add_greeks
from engine.pricing.kernel import add_values
from engine.pricing.pricer import Batch, Figures, Map, Request
from engine.pricing.simulate import Kernel, Trades, simulate
from engine.trade import WARRANT, Schema

_TERMS = ("spot", "strike", "drift", "vol", "vol_of_vol", "rho", "maturity")
"""In the order of the kernels' rows."""

_GREEKS = ("pv", "delta", "vega")
"""In the order of the kernels' figures."""

_PAYOFF_FACTOR = 1.000799081

MOST_PATHS = 2**20
"""How many paths a trade may take where a job asks for an accuracy and says nothing of paths."""

_TOO_LARGE = "warrants * notional / strike is too large"

_GREEKS_PER = {"unit": 1.0, "basis_point": 1e-4}
"""What the greeks may be quoted for: a change by 1, or by 1/10,000, of spot and of volatility."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PvOnly:
    """Prices the PV alone."""

    version: str = "3"
    releases_gil: bool = True
    run: Map = field(default=map, repr=False, compare=False)
    schema: ClassVar[Schema] = WARRANT

    def price(self, batch: Batch, request: Request) -> Figures:
        """Return ``pv``, ``se`` and ``paths``, the number of paths used.

        Without ``request.accuracy`` these are exactly as many as asked for. With it, a trade takes
        paths until its standard error is at most ``accuracy * abs(pv)``, and at most
        ``request.paths``, or ``MOST_PATHS``; the number in the trade's terms does not count.

        The standard error of a single path is not defined, and NaN. Raises ValueError for fewer
        than one path, and for an accuracy that is not a finite number above 0. A trade whose
        amounts are too large for a float64 has a reason instead.
        """
        estimates, errors, paths = _simulate(add_values, 1, batch, request, FIRST_LOOK, self.run)
        return _figures(("pv",), (_amounts(batch),), estimates, errors, paths)

    def divided(self, run: Map) -> "PvOnly":
        """The same, that simulates the pieces of a batch by ``run``."""
        return replace(self, run=run)


@dataclass(frozen=True, slots=True)
class DeltaVega:
    """Prices PV, delta and vega in one pass.

    On as many paths, its PV is that of ``PvOnly`` to the last bit.
    """

    version: str = "3"
    releases_gil: bool = True
    run: Map = field(default=map, repr=False, compare=False)
    schema: ClassVar[Schema] = WARRANT

    def price(self, batch: Batch, request: Request) -> Figures:
        """Return ``pv, se, delta, delta_se, vega, vega_se`` and ``paths``; else as ``PvOnly``.

        ``request.accuracy`` is that of the PV; but a trade takes ``SECOND_LOOK`` paths at least:
        those few that are knocked out hardly move the PV, and may be half of vega's error.

        The option ``greeks_per`` says for which change of spot and of volatility delta and vega
        are: ``"unit"``, which is the default, or ``"basis_point"``, a 10,000th of it. Raises
        ValueError for any other.
        """
        estimates, errors, paths = _simulate(add_greeks, 3, batch, request, SECOND_LOOK, self.run)
        amounts = _amounts(batch)
        with np.errstate(over="ignore"):
            # x = log(spot / strike), so that d/dspot is d/dx over spot.
            by_spot = amounts / batch.terms["spot"]
        units = amounts, by_spot * _greeks_unit(request), amounts * _greeks_unit(request)
        return _figures(_GREEKS, units, estimates, errors, paths)

    def divided(self, run: Map) -> "DeltaVega":
        """The same, that simulates the pieces of a batch by ``run``."""
        return replace(self, run=run)


def trades_of(batch: Batch, request: Request) -> Trades:
    """What the kernels take of a batch."""
    return Trades(
        np.uint64(request.seed % 2**64),
        np.array(batch.ids, dtype=np.int64),
        np.array([batch.terms[name] for name in _TERMS], dtype=np.float64),
        np.array(batch.terms["steps"], dtype=np.int64),
        _paths(batch, request),
    )


def _simulate(
    kernel: Kernel, figures: int, batch: Batch, request: Request, first_look: int, run: Map
) -> tuple[Floats, Floats, Integers]:
    trades = trades_of(batch, request)
    return simulate(kernel, figures, trades, _accuracy(request), first_look, run)


def _accuracy(request: Request) -> float | None:
    """The relative standard error to reach, checked."""
    if request.accuracy is None:
        return None
    if not (math.isfinite(request.accuracy) and request.accuracy > 0):
        raise ValueError(f"accuracy is {request.accuracy}: must be a finite number above 0")
    return float(request.accuracy)


def _paths(batch: Batch, request: Request) -> Integers:
    """How many paths each trade takes, or may take."""
    if request.paths is not None:
        if request.paths < 1:
            raise ValueError(f"paths is {request.paths}: must be at least 1")
        return np.full(len(batch), request.paths, dtype=np.int64)
    if request.accuracy is not None:
        return np.full(len(batch), MOST_PATHS, dtype=np.int64)
    return np.array(batch.terms["paths"], dtype=np.int64)


def _greeks_unit(request: Request) -> float:
    """What part of 1 delta and vega are for."""
    per = request.options.get("greeks_per", "unit")
    if not isinstance(per, str) or per not in _GREEKS_PER:
        choices = ", ".join(_GREEKS_PER)
        raise ValueError(f"option greeks_per is {per!r}: must be one of {choices}")
    return _GREEKS_PER[per]


def _amounts(batch: Batch) -> Floats:
    """What the kernels' unit is worth, in the trade's currency."""
    terms = batch.terms
    with np.errstate(over="ignore"):
        amounts: Floats = terms["warrants"] * terms["notional"] / terms["strike"] * _PAYOFF_FACTOR
    return amounts


def _figures(
    names: Sequence[str],
    units: Sequence[Floats],
    estimates: Floats,
    errors: Floats,
    paths: Integers,
) -> Figures:
    """Estimates and errors in their units, and why trades whose units are not finite have none."""
    figures: dict[str, NDArray[Any]] = {}
    with np.errstate(invalid="ignore"):
        for name, unit, estimate, error in zip(names, units, estimates, errors, strict=True):
            figures[name] = unit * estimate
            figures["se" if name == "pv" else f"{name}_se"] = unit * error
    figures["paths"] = paths
    fits = np.logical_and.reduce(np.isfinite(units), axis=0)
    if not fits.all():
        figures["reason"] = np.array([None if fit else _TOO_LARGE for fit in fits])
    return figures


pvonly = PvOnly()
deltavega = DeltaVega()
