"""The synthetic books: knock-out FX warrants drawn like the older generator's, and FX options.

A trade is a function of the seed and its ID alone, so a book of 1,000 is the beginning of a book of
1,000,000, and any part of a book can be made by itself. Pure: no I/O, no clock.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.blocks import Trades
from engine.ids import BLOCK_SIZE

MAX_SEED = 2**63 - 1

AT_ONCE = 2_000
"""Trades: few enough for the processor's cache, enough to make a round trip worth while."""

DECIMALS = 12
"""Of drawn numbers: more exact than anybody quotes a term, shorter than all digits of a float."""

CONSTANTS = {
    "vol_of_vol": 0.00154807378604,
    "rho": 0.000038413221829,
    "maturity": 0.20,
    "steps": 172,
    "paths": 10_000,
    "start_date": "2017-12-29",
    "end_date": "2018-08-28",
}
"""The terms that all generated trades share."""


@dataclass(frozen=True, slots=True)
class _Uniform:
    """The numbers of ``DECIMALS`` decimals in [low, high), each as likely."""

    low: float
    high: float

    def draw(self, words: NDArray[np.uint64]) -> NDArray[np.float64]:
        # Drawn as whole numbers of the last decimal, so that no rounding can reach ``high``. The
        # span is so much below 2**64 that the remainder favours no number noticeably.
        unit = 10**DECIMALS
        low = round(self.low * unit)
        span = np.uint64(round(self.high * unit) - low)
        numbers: NDArray[np.float64] = ((words % span).astype(np.int64) + low) / unit
        return numbers


_SPOT = _Uniform(0.8285, 0.9485)
_STRIKE = _Uniform(0.7, 0.82)
_DRIFT = _Uniform(-0.1, 0.1)
_VOL = _Uniform(0.0808844481978 - 0.015, 0.0808844481978 + 0.015)
_NOTIONAL = _Uniform(950, 1050)
_WARRANTS = (30_000, 60_000)

_OPTION_STRIKE = _Uniform(0.8, 0.98)
"""In the money and out of it."""
_OPTION_MATURITY = _Uniform(0.05, 2.0)
_RATE = _Uniform(0.0, 0.05)
_OPTION_NOTIONAL = (100_000, 1_000_000)

_WORDS = 8
"""Random words a trade: two steps of the generator, which gives four at a time."""


def generate(seed: int, first: int, count: int) -> Trades:
    """Make trades ``first`` to ``first + count - 1`` of the book with this seed.

    Each column has ``count`` values. Raises ValueError if ``seed`` is not in 0..``MAX_SEED``.
    """
    words = _words(seed, first, count)
    constants = {name: [value] * count for name, value in CONSTANTS.items()}
    columns = {
        "spot": _SPOT.draw(words[0]).tolist(),
        "strike": _STRIKE.draw(words[1]).tolist(),
        "drift": _DRIFT.draw(words[2]).tolist(),
        "vol": _VOL.draw(words[3]).tolist(),
        "vol_of_vol": constants["vol_of_vol"],
        "rho": constants["rho"],
        "maturity": constants["maturity"],
        "steps": constants["steps"],
        "paths": constants["paths"],
        "warrants": _whole(words[4], *_WARRANTS),
        "notional": _NOTIONAL.draw(words[5]).tolist(),
        "start_date": constants["start_date"],
        "end_date": constants["end_date"],
    }
    return Trades(range(first, first + count), columns)


def generate_european(seed: int, first: int, count: int) -> Trades:
    """Make European FX options as ``generate`` makes warrants; on the same spots, for a seed."""
    words = _words(seed, first, count)
    columns = {
        "product": ["european"] * count,
        "option_type": np.where(words[7] % np.uint64(2), "put", "call").tolist(),
        "spot": _SPOT.draw(words[0]).tolist(),
        "strike": _OPTION_STRIKE.draw(words[1]).tolist(),
        "vol": _VOL.draw(words[3]).tolist(),
        "maturity": _OPTION_MATURITY.draw(words[2]).tolist(),
        "domestic_rate": _RATE.draw(words[5]).tolist(),
        "foreign_rate": _RATE.draw(words[6]).tolist(),
        "notional": _whole(words[4], *_OPTION_NOTIONAL),
    }
    return Trades(range(first, first + count), columns)


Make = Callable[[int, int, int], Trades]
"""Makes trades of a seed, from a first ID on, so many."""

MAKERS: Mapping[str, Make] = {"warrant": generate, "european": generate_european}
"""By product."""


def _words(seed: int, first: int, count: int) -> NDArray[np.uint64]:
    """The random words of trades, shape (``_WORDS``, ``count``)."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed {seed}: must be from 0 to {MAX_SEED}")
    # A counter-based generator: its counter is the ID, so it can begin anywhere.
    random = np.random.Philox(key=seed, counter=first * (_WORDS // 4))
    words: NDArray[np.uint64] = random.random_raw(count * _WORDS).reshape(count, _WORDS).T
    return words


def _whole(words: NDArray[np.uint64], low: int, high: int) -> list[int]:
    """Whole numbers in [low, high), each as likely."""
    numbers: list[int] = ((words % np.uint64(high - low)).astype(np.int64) + low).tolist()
    return numbers


def batches(
    seed: int, first: int, count: int, size: int, make: Make = generate
) -> Iterator[Trades]:
    """Make trades as ``make`` does, at most ``size`` at a time, cut where blocks end.

    ``size`` is a multiple of the block size: whole blocks are the fastest to store.
    """
    if size % BLOCK_SIZE:
        raise ValueError(f"size {size}: must be a multiple of {BLOCK_SIZE}")
    end = first + count
    while first < end:
        stop = min(end, (first // size + 1) * size)
        yield make(seed, first, stop - first)
        first = stop
