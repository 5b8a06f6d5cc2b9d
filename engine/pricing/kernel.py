"""The path kernels: what the paths of a trade are worth, as sums over them.

The state of a path is its spot as x = log(spot / strike), so that the barrier is x < 0, and its
volatility v. The logarithm of 1 is 0 exactly, and a path without volatility or drift stays where it
is exactly, so equal spot and strike survive. Normals are single precision (their rounding is far
below what a random number is good for); state, payoff and sums are double precision.

A path is worth amount * (1 - exp(-x)) with amount = warrants * notional / strike * 1.000799081: the
payoff of the model, (spot / strike - 1) / spot, written so that it neither cancels nor overflows.
The kernels work on amount 1, and return sums by trade; see ``engine.pricing.warrant``.

Every path is computed alone, and sums are taken path by path in order, so that no figure depends on
the number of lanes, on the other trades, or on where the paths are cut into runs.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.pricing.jit import compiled, inlined
from engine.pricing.mathfn import expm1_32, expm1_64, f32, log64, u32, u64
from engine.pricing.randoms import (
    GENERATOR_ROWS,
    LANES,
    draw_normals,
    start_generators,
    trade_keys,
)

SPOT, STRIKE, DRIFT, VOL, VOL_OF_VOL, RHO, MATURITY = range(7)
"""The rows of a kernel's terms."""

RATIO, X, LOWEST = 0, LANES, 2 * LANES
"""Where a path's state stands: its volatility over the initial one, x, and the lowest x so far."""

STATE_ROWS = 3

Z1, Z2, GROWTH = 0, LANES, 2 * LANES
"""Where a step's normals stand, and the relative growth of the volatility that they make."""

NORMAL_ROWS = 3

# Bounds that keep infinity out: times a volatility of 0, it would be NaN.
_LARGEST_RATIO = 1e200
_LARGEST_MONEYNESS = float(np.finfo(np.float64).max)


@inlined
def start_paths(state: NDArray[np.float64], x: float) -> None:
    """Set every lane to the start of a path."""
    for i in range(LANES):
        state[RATIO + i] = 1.0
        state[X + i] = x
        state[LOWEST + i] = x


@inlined
def fill_growth(normals: NDArray[f32], drift: float, on_z1: float, on_z2: float) -> None:
    """Compute the relative growth of the volatility over one step from its two normals."""
    level, first, second = f32(drift), f32(on_z1), f32(on_z2)
    for i in range(LANES):
        exponent = level + (first * normals[Z1 + i] + second * normals[Z2 + i])
        normals[GROWTH + i] = expm1_32(exponent)


@inlined
def step_paths(
    state: NDArray[np.float64],
    normals: NDArray[f32],
    vol: float,
    drift: float,
    dt: float,
    root_dt: float,
) -> None:
    """Move the volatility, then x with the new volatility: the model's two lines a step."""
    half_dt = 0.5 * dt
    for i in range(LANES):
        ratio = state[RATIO + i]
        ratio = min(ratio + ratio * float(normals[GROWTH + i]), _LARGEST_RATIO)
        v = vol * ratio
        x = state[X + i]
        x = x + ((drift - half_dt * v * v) + v * (root_dt * float(normals[Z1 + i])))
        lowest = state[LOWEST + i]
        state[RATIO + i] = ratio
        state[X + i] = x
        state[LOWEST + i] = x if x < lowest else lowest


@inlined
def survivor_value(state: NDArray[np.float64], lane: int) -> float:
    """The path's value at amount 1, in [0, 1]; -1 if it was knocked out."""
    x = state[X + lane]
    # Written so that a path whose volatility overflowed, and left NaN, counts as knocked out.
    survives = state[LOWEST + lane] >= 0.0 and x >= 0.0
    return -expm1_64(-x) if survives else -1.0


@inlined
def add_value(sums: NDArray[np.float64], figure: int, value: float) -> None:
    """Add one path's value to (number, shift, sum, sum of squares) of a figure.

    Sums are of the difference to the first value, the shift: a variance that is small beside the
    mean is not lost to cancellation, and is 0 exactly if all values are equal.
    """
    if sums[figure, 0] == 0.0:
        sums[figure, 1] = value
    difference = value - sums[figure, 1]
    sums[figure, 0] += 1.0
    sums[figure, 2] += difference
    sums[figure, 3] += difference * difference


@inlined
def walk_terms(
    terms: NDArray[np.float64], trade: int, steps: int
) -> tuple[float, float, float, float, float, float, float]:
    """What a trade's steps have in common: x at the start, dt, its root, the drift of x over a
    step, and the log-volatility's drift and sensitivities to z1 and z2."""
    x = log64(min(terms[SPOT, trade] / terms[STRIKE, trade], _LARGEST_MONEYNESS))
    dt = terms[MATURITY, trade] / steps
    root_dt = math.sqrt(dt)
    drift = terms[DRIFT, trade] * dt
    nu, rho = terms[VOL_OF_VOL, trade], terms[RHO, trade]
    on_z1 = nu * root_dt * rho
    on_z2 = nu * root_dt * math.sqrt(1.0 - rho * rho)
    return x, dt, root_dt, drift, -0.5 * nu * nu * dt, on_z1, on_z2


@compiled
def simulate_values(
    seed: u64,
    ids: NDArray[np.int64],
    terms: NDArray[np.float64],
    steps: NDArray[np.int64],
    paths: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Simulate ``paths[n]`` paths of ``steps[n]`` steps for each trade n.

    ``terms`` has shape (7, trades), a row for each of SPOT to MATURITY. Returns (number, shift,
    sum, sum of squares) of the paths' values at amount 1, in shape (trades, 1, 4).
    """
    generators = np.empty(GENERATOR_ROWS * LANES, u32)
    normals = np.empty(NORMAL_ROWS * LANES, f32)
    state = np.empty(STATE_ROWS * LANES, np.float64)
    sums = np.zeros((len(ids), 1, 4), np.float64)
    for n in range(len(ids)):
        # What starts below its barrier is knocked out at once, exactly.
        if terms[SPOT, n] < terms[STRIKE, n]:
            sums[n, :, 0] = paths[n]
            continue
        x, dt, root_dt, drift, log_drift, on_z1, on_z2 = walk_terms(terms, n, steps[n])
        keys = trade_keys(seed, ids[n])
        for first in range(0, paths[n], LANES):
            start_generators(generators, keys, first)
            start_paths(state, x)
            for step in range(steps[n]):
                draw_normals(generators, step, normals)
                fill_growth(normals, log_drift, on_z1, on_z2)
                step_paths(state, normals, terms[VOL, n], drift, dt, root_dt)
            for lane in range(min(LANES, paths[n] - first)):
                add_value(sums[n], 0, max(survivor_value(state, lane), 0.0))
    return sums
