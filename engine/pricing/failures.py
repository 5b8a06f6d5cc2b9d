"""Failures on purpose, to see what a grid makes of them."""

import numpy as np
from numpy.typing import NDArray

from engine.ids import Ids

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fails(ids: Ids, *, seed: int, probability: float) -> NDArray[np.bool_]:
    """Which trades fail, shape (trades,): a function of job seed and trade ID alone (G3).

    The hash is the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, figure 17).
    """
    with np.errstate(over="ignore"):
        z = _mix(ids.astype(np.uint64) + np.uint64(1)) ^ np.uint64(seed % 2**64)
        uniform = (_mix(z + _GOLDEN) >> np.uint64(11)) * 2.0**-53
    return uniform < probability


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
