"""Simulating a batch: as many paths a trade as asked for, or as its accuracy needs.

A kernel takes trades by column and releases the GIL while it adds up their paths. Between its runs
we look at the errors, all trades at once; mostly there is one look.

A trade's paths are cut into pieces, whose sums are made apart and then added in order. So pieces
may be simulated at once, on as many threads as there are, and the bits do not depend on it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.pricing.estimate import FIRST_LOOK, estimates, fixed_gammas, paths_wanted
from engine.pricing.kernel import MATURITY, VOL_OF_VOL
from engine.pricing.pricer import Map
from engine.pricing.sums import add_sums, no_sums

PIECE = 2_560
"""Paths of which the sums are made apart: whole blocks of the kernels' lanes, and of the 10,000
that are usual, very nearly a half in two of them, and a quarter in each."""

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
    run: Map = map,
) -> tuple[Floats, Floats, Integers]:
    """Estimates at amount 1 and their standard errors, of shape (figures, trades), and paths used.

    ``accuracy`` is the relative standard error of the first figure at which a trade has enough
    paths, of which it takes ``first_look`` at least; without it, each takes its number. ``run`` is
    the builtin ``map``, or does the same with many calls at once.
    """
    tally = Tally.empty(len(trades.ids), figures)
    means, errors = np.zeros((2, *tally.expected.shape))
    gammas = fixed_gammas(trades.terms[VOL_OF_VOL], trades.terms[MATURITY])[:, None]
    done = np.zeros_like(trades.paths)
    wanted = trades.paths if accuracy is None else np.minimum(trades.paths, first_look)
    while (wanted > done).any():
        add_paths(kernel, trades, done, wanted, tally, run)
        done = wanted
        means, errors = estimates(tally.sums, tally.expected, gammas)
        if accuracy is not None:
            wanted = paths_wanted(done, trades.paths, means[:, 0], errors[:, 0], accuracy)
    return means.T, errors.T, done


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been added up so far; the halves and sums are those of ``engine.pricing.sums``."""

    whole: Floats
    """The sums over all pieces that are complete, of shape (trades, figures, 2, 8)."""
    begun: Floats
    """Those over the paths of the piece that is not, of which later ones go on."""
    expected: Floats
    """What the controls are expected to be, of shape (trades, figures)."""

    @classmethod
    def empty(cls, trades: int, figures: int) -> Self:
        """That of no paths at all."""
        none = no_sums(trades, figures)
        return cls(none, none.copy(), np.zeros((trades, figures)))

    @property
    def sums(self) -> Floats:
        """Those over all paths."""
        sums = self.whole.copy()
        add_sums(sums, self.begun)
        return sums

    def add(self, piece: "_Piece", sums: Floats, expected: Floats) -> None:
        """Take in what a piece has come to."""
        whole, ended = self.whole[piece.rows], piece.stops % PIECE == 0
        add_sums(whole, np.where(ended[:, None, None, None], sums, 0.0))
        self.whole[piece.rows], self.expected[piece.rows] = whole, expected
        self.begun[piece.rows] = np.where(ended[:, None, None, None], 0.0, sums)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Paths that are added up together, of the trades in some rows."""

    rows: Integers
    starts: Integers
    stops: Integers
    sums: Floats
    """What its paths are added to: those before them in the same pieces."""


def add_paths(
    kernel: Kernel,
    trades: Trades,
    starts: Integers,
    stops: Integers,
    tally: Tally,
    run: Map = map,
) -> None:
    """Add paths ``starts``, of which each is where its tally ends, to before ``stops``."""
    add = partial(_add_piece, kernel, trades)
    for piece, sums, expected in run(add, _pieces(starts, stops, tally.begun)):
        tally.add(piece, sums, expected)


def _pieces(starts: Integers, stops: Integers, begun: Floats) -> Iterator[_Piece]:
    """Cut the paths of each trade at the multiples of ``PIECE``; its first piece comes first."""
    while (rows := np.flatnonzero(starts < stops)).size:
        ends = np.minimum(stops, (starts // PIECE + 1) * PIECE)
        yield _Piece(rows, starts[rows], ends[rows], begun[rows])
        starts, begun = np.maximum(starts, ends), np.zeros_like(begun)


def _add_piece(kernel: Kernel, trades: Trades, piece: _Piece) -> tuple[_Piece, Floats, Floats]:
    """A piece, its sums, and what its controls are expected to be.

    Numba compiles a kernel again for arrays that are read-only or not contiguous: these are fresh.
    """
    rows, sums = piece.rows, piece.sums.copy()
    expected = np.zeros(sums.shape[:2])
    kernel(
        trades.seed,
        trades.ids[rows],
        np.ascontiguousarray(trades.terms[:, rows]),
        trades.steps[rows],
        piece.starts,
        piece.stops,
        sums,
        expected,
    )
    return piece, sums, expected
