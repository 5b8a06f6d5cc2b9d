"""Simulating a batch: as many paths a trade as asked for, or as its accuracy needs.

A kernel takes trades by column and releases the GIL while it adds paths to their sums. Between its
runs we look at the errors, all trades at once; mostly there is one look.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.pricing.estimate import FIRST_LOOK, estimates, fixed_gammas, paths_wanted
from engine.pricing.kernel import MATURITY, VOL_OF_VOL
from engine.pricing.sums import no_sums

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Kernel = Callable[
    [np.uint64, Integers, Floats, Integers, Integers, Integers, Floats, Floats],
    None,
]
"""``engine.pricing.kernel.add_values`` and its like."""


@dataclass(frozen=True, slots=True)
class Trades:
    """What is simulated."""

    seed: np.uint64
    ids: Integers
    """Shape (trades,), as all whose shape is not said."""
    terms: Floats
    """Shape (7, trades): the rows of ``engine.pricing.kernel``."""
    steps: Integers
    paths: Integers
    """How many each trade takes; with an accuracy, the most it may take."""


def simulate(
    kernel: Kernel,
    figures: int,
    trades: Trades,
    accuracy: float | None = None,
    first_look: int = FIRST_LOOK,
) -> tuple[Floats, Floats, Integers]:
    """Estimates at amount 1 and their standard errors, of shape (figures, trades), and paths used.

    ``accuracy`` is the relative standard error of the first figure at which a trade has enough
    paths, of which it takes ``first_look`` at least; without it, each takes its number.
    """
    sums, expected = no_sums(len(trades.ids), figures), np.zeros((len(trades.ids), figures))
    means, errors = np.zeros((2, *expected.shape))
    gammas = fixed_gammas(trades.terms[VOL_OF_VOL], trades.terms[MATURITY])[:, None]
    done = np.zeros_like(trades.paths)
    wanted = trades.paths if accuracy is None else np.minimum(trades.paths, first_look)
    while (rows := np.flatnonzero(wanted > done)).size:
        add_paths(kernel, trades, rows, done, wanted, sums, expected)
        done = wanted
        means, errors = estimates(sums, expected, gammas)
        if accuracy is not None:
            wanted = paths_wanted(done, trades.paths, means[:, 0], errors[:, 0], accuracy)
    return means.T, errors.T, done


def add_paths(
    kernel: Kernel,
    trades: Trades,
    rows: Integers,
    starts: Integers,
    stops: Integers,
    sums: Floats,
    expected: Floats,
) -> None:
    """Add paths ``starts`` to before ``stops`` of the trades in ``rows`` to sums and expectations.

    Numba compiles a kernel again for arrays that are read-only or not contiguous: these are fresh.
    """
    own, own_expected = sums[rows], expected[rows]
    kernel(
        trades.seed,
        trades.ids[rows],
        np.ascontiguousarray(trades.terms[:, rows]),
        trades.steps[rows],
        starts[rows],
        stops[rows],
        own,
        own_expected,
    )
    sums[rows], expected[rows] = own, own_expected
