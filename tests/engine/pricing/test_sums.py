"""Adding the sums over some paths to those over others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pricing.sums import (
    HALF,
    NUMBER,
    SHIFT_C,
    SHIFT_D,
    SUM_C,
    SUM_CC,
    SUM_D,
    SUM_DC,
    SUM_DD,
    add_path,
    add_sums,
)

PATHS = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=30)


def sums_of(paths: list[tuple[float, float]]) -> NDArray[np.float64]:
    sums = np.zeros(HALF)
    for value, control in paths:
        add_path(sums, 0, value, control)
    return sums


def moments(sums: NDArray[np.float64]) -> list[float]:
    """Number, means, and mean squares and products about the means, of D and C."""
    n = max(sums[NUMBER], 1.0)
    d, c = sums[SUM_D] / n, sums[SUM_C] / n
    means = [sums[SHIFT_D] + d, sums[SHIFT_C] + c]
    return [
        sums[NUMBER],
        *means,
        sums[SUM_DD] / n - d * d,
        sums[SUM_CC] / n - c * c,
        sums[SUM_DC] / n - d * c,
    ]


@given(PATHS, PATHS)
def test_they_are_those_over_all_paths(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    sums = sums_of(some)
    add_sums(sums, sums_of(others))
    np.testing.assert_allclose(moments(sums), moments(sums_of(some + others)), atol=1e-13)


@given(PATHS)
def test_with_none_they_are_the_same_to_the_last_bit(paths: list[tuple[float, float]]) -> None:
    sums = sums_of(paths)
    add_sums(sums, np.zeros(HALF))
    assert sums.tobytes() == sums_of(paths).tobytes()
    nothing = np.zeros(HALF)
    add_sums(nothing, sums)
    assert nothing.tobytes() == sums.tobytes()
