"""How long the pricers take on one core: 10,000 paths of 172 steps a trade."""

import time
from dataclasses import dataclass

from engine.pricing.pricer import Batch, Pricer, Request
from engine.pricing.warrant import deltavega, pvonly
from engine.trade import WARRANT, check
from producer.generate import generate

PATHS = 10_000
TRADES = 20
"""In one batch."""


@dataclass(frozen=True, slots=True)
class KernelTimes:
    """Milliseconds a trade."""

    pv: float
    greeks: float
    """PV, delta and vega."""


def kernel_times(runs: int) -> list[KernelTimes]:
    """Time the pricers on generated trades, once compiled, ``runs`` times."""
    trades = generate(seed=0, first=0, count=TRADES)
    checked = check(trades.columns, WARRANT, TRADES)
    batch = Batch(checked.good, checked.columns)
    for pricer in (pvonly, deltavega):
        pricer.price(batch.at(slice(0, 1)), Request(paths=1))
    return [
        KernelTimes(_milliseconds(pvonly, batch), _milliseconds(deltavega, batch))
        for _ in range(runs)
    ]


def _milliseconds(pricer: Pricer, batch: Batch) -> float:
    began = time.perf_counter()
    pricer.price(batch, Request(paths=PATHS))
    return (time.perf_counter() - began) * 1000 / len(batch)
