"""From sums over paths to an estimate and its standard error, with a control variate. Pure.

With Y a path's value, C its control and m = E[C], any number beta makes Y - beta*(C - m) an
unbiased sample of E[Y]; the best one is cov(Y, C) / var(C). Fitted on the paths it is used on, it
would bias the estimate and flatter its error. So it is *cross-fitted*: the paths of even number
take the beta that fits those of odd number, and the other way round (A. N. Avramidis and J. R.
Wilson, "A splitting scheme for control variates", Operations Research Letters 14 (1993), 187-198).

With D = Y - C, which is what is summed, and gamma = 1 - beta, a sample is m + D + gamma*(C - m).
Arrays are by trade, and each element is worked out alone, by operations that IEEE 754 defines, so
that no figure depends on the other trades or on the processor.
"""

import numpy as np
from numpy.typing import NDArray

from engine.pricing.sums import (
    NUMBER,
    SHIFT_C,
    SHIFT_D,
    SUM_C,
    SUM_CC,
    SUM_D,
    SUM_DC,
    SUM_DD,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_FEWEST = 16
"""Paths of a half below which no beta is fitted to it."""

_LARGEST_VARIANCE = 0.5
"""Of log-volatility over a trade's life, up to which a control that is not fitted is used whole."""

FIRST_LOOK, SECOND_LOOK = 128, 512
"""Paths before a look at the error: whole blocks of the kernels' lanes, which are quickest."""

_SAFETY = 1.5
"""How far an error from less than ``SECOND_LOOK`` paths has to lie below what is asked for: it is
itself not very certain, and paths of which few pay, or few differ from their controls, hide it."""

_LEAST_GAMMA, _LARGEST_GAMMA = -3.0, 1.0
"""Betas from 4 to 0. A control that is of use has one near 1. What lies outside was fitted to paths
that hardly show the control, and would count what the other half sees of it many times over."""

_MARGIN, _LARGEST_GROWTH = 1.1, 16.0


def fixed_gammas(vol_of_vol: Floats, maturity: Floats) -> Floats:
    """The gammas of samples too small to fit one: the control whole, or not at all."""
    with np.errstate(over="ignore"):
        return np.where(vol_of_vol * vol_of_vol * maturity <= _LARGEST_VARIANCE, 0.0, 1.0)


def estimates(sums: Floats, expected: Floats, small_gammas: Floats) -> tuple[Floats, Floats]:
    """Estimates of E[Y] and their standard errors, of shape (...).

    ``sums`` has shape (..., 2, 8), ``expected`` = E[C] and ``small_gammas`` shape (...). The error
    of a single path is not known, and NaN.
    """
    even, odd = sums[..., 0, :], sums[..., 1, :]
    first, second = even[..., NUMBER], odd[..., NUMBER]
    small = second < _FEWEST
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean_0, squares_0 = _half(even, np.where(small, small_gammas, _fitted(odd)), expected)
        mean_1, squares_1 = _half(odd, np.where(small, small_gammas, _fitted(even)), expected)
        number = first + second
        mean = np.where(second > 0, (first * mean_0 + second * mean_1) / number, mean_0)
        # Too few for two variances: that of all together, about their common mean.
        between = (mean_0 - mean_1) * (mean_0 - mean_1) * (first * second / number)
        together = (squares_0 + squares_1 + between) * (number / (number - 1.0))
        apart = squares_0 * (first / (first - 1.0)) + squares_1 * (second / (second - 1.0))
        return expected + mean, np.sqrt(np.where(small, together, apart)) / number


def paths_wanted(
    done: Integers, most: Integers, means: Floats, errors: Floats, accuracy: float
) -> Integers:
    """How many paths to have simulated before the next look; ``done`` itself where they suffice.

    Looks are few, so that stopping because an error happens to look small is rare: at each, the
    need is estimated, with a margin, and met at once.
    """
    tolerated = accuracy * np.abs(means)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = np.fmin(_MARGIN * (errors / tolerated) ** 2, _LARGEST_GROWTH)
    safety = np.where(done < SECOND_LOOK, _SAFETY, 1.0)
    enough = (safety * errors <= tolerated) | (done >= most)
    blocks = np.ceil(done * growth / FIRST_LOOK).astype(np.int64)
    wanted = np.maximum(np.maximum(blocks * FIRST_LOOK, done + FIRST_LOOK), SECOND_LOOK)
    return np.where(enough, done, np.minimum(wanted, most))


def _squares(half: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums of squares and products of D and C about their means; of rounding, none is below 0."""
    mean_d, mean_c = half[..., SUM_D] / half[..., NUMBER], half[..., SUM_C] / half[..., NUMBER]
    return (
        np.maximum(half[..., SUM_DD] - half[..., SUM_D] * mean_d, 0.0),
        np.maximum(half[..., SUM_CC] - half[..., SUM_C] * mean_c, 0.0),
        half[..., SUM_DC] - half[..., SUM_D] * mean_c,
    )


def _fitted(half: Floats) -> Floats:
    """The best gammas for these paths, within bounds; 0 where they do not tell.

    If no path pays, Y and C would seem to have nothing in common, and the price to be 0 without
    any error. With the control whole, the error is that of the control: large, but no lie.
    """
    dd, cc, dc = _squares(half)
    tells = (cc > 0.0) & (dd + 2.0 * dc + cc > 0.0)
    return np.clip(np.where(tells, -dc / cc, 0.0), _LEAST_GAMMA, _LARGEST_GAMMA)


def _half(half: Floats, gammas: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Mean of the samples of a half, less ``expected``, and their sum of squares about it."""
    dd, cc, dc = _squares(half)
    number = half[..., NUMBER]
    control = (half[..., SHIFT_C] - expected) + half[..., SUM_C] / number
    mean = (half[..., SHIFT_D] + half[..., SUM_D] / number) + gammas * control
    return mean, np.maximum(dd + 2.0 * gammas * dc + gammas * gammas * cc, 0.0)
