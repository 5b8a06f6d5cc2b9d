"""QuantLib in place of our own pricer: the knock-out warrant at constant volatility, analytically.

    pip install 'azfinsim[quantlib]'
    azfinsim job submit --algorithm examples.quantlib_warrant:pricer

What it prices. ``pvonly`` prices a warrant that pays warrants * notional * (S/K - 1)+ / S * factor,
unless the spot S was below the strike K on any date, under stochastic volatility. As (S/K - 1)/S =
1/K - 1/S, that is a put on X = 1/S with strike 1/K, which is knocked out when X rises above 1/K. At
constant volatility sigma, X has that volatility too, and a drift of sigma**2 - drift; nothing is
discounted. So QuantLib's analytic engine for barrier options prices it, as a put with a barrier.

How it differs from ``pvonly``. It leaves out ``vol_of_vol`` and ``rho``: for the generated book,
whose vol_of_vol is 0.0015, no one would see that. Its engine watches the barrier at all times, the
warrant is looked at on ``steps`` dates; the barrier is moved away to make up for it (Broadie,
Glasserman and Kou, "A continuity correction for discrete barrier options", Mathematical Finance 7,
1997), which is good to some 1e-4 of the price, but not for a spot within a few steps of the barrier
or for a trade of few steps. At no volatility at all it knows no price, so its schema takes no such
trade. It simulates nothing, so it has no ``se`` and no ``paths``; but it has a figure of its own:
the value without the barrier.

QuantLib keeps the date of evaluation in a global variable, and its objects are not safe to share
between threads: ``per_trade`` has every slot price in a process of its own.
"""

from collections.abc import Mapping
from math import exp, sqrt
from typing import Any

import QuantLib as ql  # type: ignore[import-untyped]  # It ships no types.

from engine.adapters import per_trade
from engine.trade import WARRANT, Kind, Term

SCHEMA = {**WARRANT, "vol": Term(Kind.NUMBER, low=0, above=True)}

TODAY = ql.Date(1, 1, 2020)
YEAR = ql.Actual365Fixed()
EXERCISE = ql.EuropeanExercise(TODAY + 365)
"""In a year, whatever the trade's maturity: QuantLib counts whole days. A trade is worth as much as
one of a year that has the variance and the drift of its whole life."""

PAYOFF_FACTOR = 1.000799081
CORRECTION = 0.5826
"""-zeta(1/2) / sqrt(2 pi), of the standard deviation of a step."""

ql.Settings.instance().evaluationDate = TODAY


@per_trade(schema=SCHEMA, version=f"1, QuantLib {ql.__version__}")
def pricer(trade: Mapping[str, Any]) -> Mapping[str, float]:
    """PV, and ``vanilla_pv``: the same without the barrier."""
    amount = trade["warrants"] * trade["notional"] * PAYOFF_FACTOR
    strike, stdev = 1 / trade["strike"], trade["vol"] * sqrt(trade["maturity"])
    barrier = strike * exp(CORRECTION * stdev / sqrt(trade["steps"]))
    process = _process(trade, stdev)
    payoff = ql.PlainVanillaPayoff(ql.Option.Put, strike)
    vanilla = ql.VanillaOption(payoff, EXERCISE)
    vanilla.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    figures = {"pv": 0.0, "vanilla_pv": amount * vanilla.NPV()}
    if trade["spot"] >= trade["strike"]:
        warrant = ql.BarrierOption(ql.Barrier.UpOut, barrier, 0.0, payoff, EXERCISE)
        warrant.setPricingEngine(ql.AnalyticBarrierEngine(process))
        figures["pv"] = amount * warrant.NPV()
    return figures


def _process(trade: Mapping[str, Any], stdev: float) -> Any:
    """The course of 1/spot over the life of the trade, as one year."""
    growth = stdev**2 - trade["drift"] * trade["maturity"]
    spot = ql.QuoteHandle(ql.SimpleQuote(1 / trade["spot"]))
    zero = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, 0.0, YEAR))
    dividend = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, -growth, YEAR))
    vol = ql.BlackConstantVol(TODAY, ql.NullCalendar(), stdev, YEAR)
    return ql.BlackScholesMertonProcess(spot, dividend, zero, ql.BlackVolTermStructureHandle(vol))
