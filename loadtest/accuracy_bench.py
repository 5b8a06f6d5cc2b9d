"""What ``--accuracy`` costs on the generated book, and whether its standard errors can be believed.

The truth is by quadrature: a bias of the kernels would hide in a truth that they had made.
"""

import time
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.pricing.pricer import Batch, Request
from engine.pricing.warrant import pvonly
from loadtest.figures import Measured
from loadtest.kernel_bench import PATHS, generated, terms_of
from loadtest.quadrature import truth

ACCURACY = 0.001
TRADES = 5_000
"""That are priced to this accuracy."""

CHECKED = 100
"""Of them, that are compared with plain paths."""

COVERED = 20
"""Of those again, the nearest to their barriers: the others reach the accuracy at the first look,
and what is to be shown is that intervals stay honest where one looks again."""

SEEDS, FIXED_PATHS = 500, 200
"""With which each of them is priced, and its paths where their number is fixed."""

INTERVAL = 1.96
"""Standard errors to either side, which hold the truth 95 times of 100."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; the defaults are the benchmark's."""

    trades: int = TRADES
    checked: int = CHECKED
    covered: int = COVERED
    seeds: int = SEEDS


def measure_accuracy(measured: Measured, seed: int, sizes: Sizes | None = None) -> None:
    """One run, with random numbers of its own."""
    sizes = sizes or Sizes()
    batch = generated(sizes.trades)
    pvonly.price(batch.at(slice(0, 1)), Request(accuracy=ACCURACY, paths=1))
    began = time.perf_counter()
    figures = pvonly.price(batch, Request(seed=seed, accuracy=ACCURACY))
    measured.add("accurate_us", (time.perf_counter() - began) * 1e6 / sizes.trades)
    relative = figures["se"] / figures["pv"]
    measured.add("accurate_paths", figures["paths"].mean().item())
    measured.add("accurate_se_median", np.median(relative).item())
    measured.add("accurate_se_max", relative.max().item())
    checked = batch.at(slice(0, sizes.checked))
    truths = truths_of(sizes.checked)
    ratios = figures["se"][: sizes.checked] / truths.plain_errors
    measured.add("accurate_to_plain", ratios.max().item())
    rows = nearest(checked, sizes.covered)
    for name, request in (
        ("accurate", Request(seed, accuracy=ACCURACY)),
        ("fixed", Request(seed, paths=FIXED_PATHS)),
    ):
        share = coverage(checked.at(rows), truths.pvs[rows], request, sizes.seeds)
        measured.add(f"coverage_{name}", share)


@dataclass(frozen=True, slots=True)
class Truths:
    """What trades are worth, and how exactly 10,000 plain paths would tell; of shape (trades,)."""

    pvs: Floats
    plain_errors: Floats
    """Standard errors."""


@cache
def truths_of(count: int) -> Truths:
    """The truth of each of the first generated trades, which takes some 20 ms a trade, once."""
    batch = generated(count)
    truths = [truth(terms_of(batch, row)) for row in range(count)]
    deviations = np.array([true.deviation for true in truths])
    return Truths(np.array([true.pv for true in truths]), deviations / np.sqrt(PATHS))


def nearest(batch: Batch, count: int) -> Rows:
    """The rows of those nearest to their barriers, in standard deviations of log(spot)."""
    terms = batch.terms
    distance = np.log(terms["spot"] / terms["strike"]) / (terms["vol"] * np.sqrt(terms["maturity"]))
    return np.argsort(distance)[:count]


def coverage(batch: Batch, pvs: Floats, request: Request, seeds: int) -> float:
    """The share of intervals that hold the truth, in percent; each trade is priced ``seeds`` times.

    As trades with the same terms and IDs of their own, and so with random numbers of their own.
    """
    again = batch.at(np.repeat(np.arange(len(batch)), seeds))
    figures = pvonly.price(Batch(np.arange(len(again)), again.terms), request)
    held = abs(figures["pv"] - np.repeat(pvs, seeds)) <= INTERVAL * figures["se"]
    return 100.0 * float(held.mean())
