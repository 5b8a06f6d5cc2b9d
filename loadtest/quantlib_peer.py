"""The peer: QuantLib's Monte Carlo engine for barrier options, on the terms of a trade.

Settings as near to ours as it has them: so many pseudo-random paths on the trade's dates, no
Brownian bridge to build them, no antithetic paths, and the barrier looked at on those dates alone
(``isBiased``; else it draws another number a step for the time between them, which takes longer).
What it does not have: its volatility is constant, and its call pays in the other currency, without
the division by the last spot. Both make its work less than ours, and its figure another.

Needs ``QuantLib`` (the extra ``quantlib``).
"""

import QuantLib as ql  # type: ignore[import-untyped]  # It ships no types.

from loadtest.numpy_peer import Terms

DAYS_A_YEAR = 365


def price(terms: Terms, paths: int, seed: int) -> tuple[float, float]:
    """The value of a down-and-out call for a notional of 1, and its standard error.

    The maturity is rounded to days. Seed 0 is one of QuantLib's own choice.
    """
    today = ql.Date(29, 12, 2017)
    ql.Settings.instance().evaluationDate = today
    calendar, days = ql.NullCalendar(), ql.Actual365Fixed()
    flat_rate = ql.FlatForward(today, terms["drift"], days)
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(terms["spot"])),
        ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, days)),
        ql.YieldTermStructureHandle(flat_rate),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, calendar, terms["vol"], days)),
    )
    option = ql.BarrierOption(
        ql.Barrier.DownOut,
        terms["strike"],
        0.0,  # No rebate.
        ql.PlainVanillaPayoff(ql.Option.Call, terms["strike"]),
        ql.EuropeanExercise(today + round(terms["maturity"] * DAYS_A_YEAR)),
    )
    option.setPricingEngine(
        ql.MCBarrierEngine(
            process,
            "pseudorandom",
            timeSteps=int(terms["steps"]),
            brownianBridge=False,
            antitheticVariate=False,
            requiredSamples=paths,
            isBiased=True,
            seed=seed,
        )
    )
    return float(option.NPV()), float(option.errorEstimate())
