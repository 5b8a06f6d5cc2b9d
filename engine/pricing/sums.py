"""What a kernel adds up over the paths of a trade, for each figure and each half of the paths.

A path has a value Y and a control C. Sums are of D = Y - C and of C, each less its first value, the
shift: where Y and C are nearly equal, or vary little, the variance of what is left is not lost to
cancellation. The halves are the paths of even and of odd number.
"""

import numpy as np
from numpy.typing import NDArray

from engine.pricing.jit import inlined

NUMBER, SHIFT_D, SHIFT_C, SUM_D, SUM_C, SUM_DD, SUM_CC, SUM_DC = range(8)
"""Where the sums of one half stand."""

HALVES, HALF = 2, 8


def no_sums(trades: int, figures: int) -> NDArray[np.float64]:
    """The sums over no paths at all, of shape (trades, figures, 2, 8)."""
    return np.zeros((trades, figures, HALVES, HALF))


def add_sums(sums: NDArray[np.float64], others: NDArray[np.float64]) -> None:
    """Add the sums over other paths of the same trades, which have shifts of their own.

    Both have shape (..., 8). Each element is worked out alone, by operations that IEEE 754 defines.
    """
    number = others[..., NUMBER]
    # What was summed from another shift, by how much that lies above ours.
    d = others[..., SHIFT_D] - sums[..., SHIFT_D]
    c = others[..., SHIFT_C] - sums[..., SHIFT_C]
    sum_d, sum_c = others[..., SUM_D], others[..., SUM_C]
    moved = np.empty_like(others)
    moved[..., NUMBER] = number
    moved[..., SHIFT_D] = moved[..., SHIFT_C] = 0.0
    moved[..., SUM_D] = sum_d + number * d
    moved[..., SUM_C] = sum_c + number * c
    moved[..., SUM_DD] = others[..., SUM_DD] + d * (2.0 * sum_d + number * d)
    moved[..., SUM_CC] = others[..., SUM_CC] + c * (2.0 * sum_c + number * c)
    moved[..., SUM_DC] = others[..., SUM_DC] + (d * sum_c + c * (sum_d + number * d))
    first = sums[..., NUMBER, None] == 0.0
    sums[...] = np.where(first, others, np.where(number[..., None] == 0.0, sums, sums + moved))


@inlined
def add_path(sums: NDArray[np.float64], place: int, value: float, control: float) -> None:
    """Add a path to the sums of a half that stand from ``place`` on, in a flat array."""
    difference = value - control
    if sums[place + NUMBER] == 0.0:
        sums[place + SHIFT_D] = difference
        sums[place + SHIFT_C] = control
    d = difference - sums[place + SHIFT_D]
    c = control - sums[place + SHIFT_C]
    sums[place + NUMBER] += 1.0
    sums[place + SUM_D] += d
    sums[place + SUM_C] += c
    sums[place + SUM_DD] += d * d
    sums[place + SUM_CC] += c * c
    sums[place + SUM_DC] += d * c


@inlined
def add_worthless(sums: NDArray[np.float64], place: int, paths: int) -> None:
    """Add paths from an even number on, of which neither value nor control is other than 0.

    ``place`` is that of a figure's first half.
    """
    sums[place + NUMBER] += (paths + 1) // 2
    sums[place + HALF + NUMBER] += paths // 2
