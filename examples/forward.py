"""A pricer in ten lines: FX forwards, one trade at a time, with a figure of one's own.

With this file in the folder ``examples`` beside the consumers and whoever submits:

    azfinsim job submit --book forwards --algorithm examples.forward:pricer
"""

from collections.abc import Mapping
from math import exp
from typing import Any

from engine.adapters import per_trade
from engine.trade import Kind, Term

SCHEMA = {
    "spot": Term(Kind.NUMBER, low=0, above=True),
    "strike": Term(Kind.NUMBER, low=0, above=True),
    "maturity": Term(Kind.NUMBER, low=0),
    "domestic_rate": Term(Kind.NUMBER),
    "foreign_rate": Term(Kind.NUMBER),
    "notional": Term(Kind.NUMBER),
}


@per_trade(schema=SCHEMA, version="1")
def pricer(trade: Mapping[str, Any]) -> Mapping[str, float]:
    """PV and delta of a bought forward, in domestic currency, and the fair strike."""
    domestic = exp(-trade["domestic_rate"] * trade["maturity"])
    foreign = exp(-trade["foreign_rate"] * trade["maturity"])
    pv = trade["notional"] * (trade["spot"] * foreign - trade["strike"] * domestic)
    fair = trade["spot"] * foreign / domestic
    return {"pv": pv, "delta": trade["notional"] * foreign, "fair_strike": fair}
