"""The path kernel: what the paths of a trade are worth, and their controls, as sums over them.

The state of a path is its spot as x = log(spot / strike), so that the barrier is x < 0, and its
volatility over the initial one. The logarithm of 1 is 0 exactly, and a path without volatility or
drift stays where it is exactly, so equal spot and strike survive. A path that is knocked out stays
where it was when it was. Normals are single precision (their rounding is far below what a random
number is good for); state, payoff and sums are double precision.

A path is worth amount * (1 - exp(-x)) with amount = warrants * notional / strike * 1.000799081: the
payoff of the model, (spot / strike - 1) / spot, written so that it neither cancels nor overflows.
The kernels work on amount 1; see ``engine.pricing.warrant``. Beside each path runs the twin of
``engine.pricing.control``.

Every path is computed alone, and sums are taken path by path in order, so that no figure depends on
the number of lanes, on the other trades, or on where the paths are cut into runs.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.pricing.control import ControlTerms, control_terms, control_value
from engine.pricing.jit import compiled, fma, inlined
from engine.pricing.mathfn import expm1_32, expm1_64, f32, log64, u32, u64
from engine.pricing.randoms import (
    GENERATOR_ROWS,
    LANES,
    draw_normals,
    start_generators,
    trade_keys,
)
from engine.pricing.sums import HALF, add_path, add_worthless

SPOT, STRIKE, DRIFT, VOL, VOL_OF_VOL, RHO, MATURITY = range(7)
"""The rows of a kernel's terms."""

RATIO, X, WALK, DATES = 0, LANES, 2 * LANES, 3 * LANES
"""Where a path's state stands: its volatility over the initial one; x; and, up to the step in which
it is knocked out and with that, the sum of its z1 and the number of its steps."""

VALUE, CONTROL = 4 * LANES, 5 * LANES
"""Where the payoff of its end stands, and its control."""

STATE_ROWS = 6

Z1, Z2, GROWTH = 0, LANES, 2 * LANES
"""Where a step's normals stand, and the relative growth of the volatility that they make."""

NORMAL_ROWS = 3

# Bounds that keep infinity out: times a volatility of 0, it would be NaN.
_LARGEST_RATIO = 1e200
_LARGEST_MONEYNESS = float(np.finfo(np.float64).max)

Growth = tuple[float, float, float]
"""Of log-volatility over a step: the drift, and the sensitivities to z1 and z2."""


@inlined
def start_paths(state: NDArray[np.float64], x: float) -> None:
    """Set every lane to the start of a path."""
    for i in range(LANES):
        state[RATIO + i] = 1.0
        state[X + i] = x
        state[WALK + i] = 0.0
        state[DATES + i] = 0.0


@inlined
def fill_growth(normals: NDArray[f32], growth: Growth) -> None:
    """Compute the relative growth of the volatility over one step from its two normals."""
    drift, on_z1, on_z2 = f32(growth[0]), f32(growth[1]), f32(growth[2])
    for i in range(LANES):
        exponent = fma(on_z1, normals[Z1 + i], fma(on_z2, normals[Z2 + i], drift))
        normals[GROWTH + i] = expm1_32(exponent)


@inlined
def step_paths(
    state: NDArray[np.float64], normals: NDArray[f32], drift: float, spread: float
) -> None:
    """Move the volatility, then x with the new volatility: the model's two lines a step.

    ``drift`` is that of log(spot), and ``spread`` its standard deviation at the initial volatility.
    """
    for i in range(LANES):
        z1 = np.float64(normals[Z1 + i])
        ratio = state[RATIO + i]
        ratio = fma(ratio, np.float64(normals[GROWTH + i]), ratio)
        ratio = ratio if ratio < _LARGEST_RATIO else _LARGEST_RATIO
        state[RATIO + i] = ratio
        now = spread * ratio
        x = state[X + i]
        # Written so that what overflowed to NaN counts as knocked out.
        alive = x >= 0.0
        state[X + i] = x + fma(now, fma(-0.5, now, z1), drift) if alive else x
        state[WALK + i] += z1 if alive else 0.0
        state[DATES + i] += 1.0 if alive else 0.0


@inlined
def fill_values(state: NDArray[np.float64]) -> None:
    """Compute the paths' values at amount 1, in [0, 1]."""
    for i in range(LANES):
        x = state[X + i]
        state[VALUE + i] = -expm1_64(-x) if x >= 0.0 else 0.0


@inlined
def fill_controls(
    state: NDArray[np.float64], steps: int, controlled: bool, terms: ControlTerms
) -> None:
    """Compute the controls of paths that have made ``steps`` steps; 0 for a trade that has none."""
    if not controlled:
        for i in range(LANES):
            state[CONTROL + i] = 0.0
        return
    for i in range(LANES):
        state[CONTROL + i] = control_value(steps, state[DATES + i], state[WALK + i], terms)[0]


@inlined
def walk_terms(
    terms: NDArray[np.float64], trade: int, steps: int
) -> tuple[float, float, float, Growth]:
    """What a trade's steps have in common: x at the start, the drift of log(spot) over a step, its
    standard deviation at the initial volatility, and what moves the volatility."""
    moneyness = terms[SPOT, trade] / terms[STRIKE, trade]
    x = log64(moneyness if moneyness < _LARGEST_MONEYNESS else _LARGEST_MONEYNESS)
    dt = terms[MATURITY, trade] / steps
    root_dt = math.sqrt(dt)
    nu, rho = terms[VOL_OF_VOL, trade], terms[RHO, trade]
    on_z1 = nu * root_dt * rho
    on_z2 = nu * root_dt * math.sqrt(1.0 - rho * rho)
    growth = (-0.5 * nu * nu * dt, on_z1, on_z2)
    return x, terms[DRIFT, trade] * dt, terms[VOL, trade] * root_dt, growth


@inlined
def unrest_of(terms: NDArray[np.float64], trade: int) -> float:
    """The standard deviation of log-volatility over a trade's life."""
    return float(terms[VOL_OF_VOL, trade] * math.sqrt(terms[MATURITY, trade]))


def add_values(
    seed: np.uint64,
    ids: NDArray[np.int64],
    terms: NDArray[np.float64],
    steps: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    sums: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> None:
    """Simulate paths ``starts[n]`` to before ``stops[n]`` of each trade n, of ``steps[n]`` steps.

    ``terms`` has shape (7, trades), a row for each of SPOT to MATURITY. Adds the paths' values at
    amount 1, and their controls, to ``sums`` of shape (trades, 1, 2, 8), and sets ``expected``, of
    shape (trades, 1), to the controls' expectations. ``starts`` are multiples of ``LANES``.
    """
    generators, normals = np.empty(GENERATOR_ROWS * LANES, u32), np.empty(NORMAL_ROWS * LANES, f32)
    state = np.empty(STATE_ROWS * LANES, np.float64)
    _add_values(
        *(seed, ids, terms, steps, starts, stops, sums.reshape(-1), expected[:, 0]),
        *(generators, normals, state),
    )


@compiled
def _add_values(
    seed: u64,
    ids: NDArray[np.int64],
    terms: NDArray[np.float64],
    steps: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    sums: NDArray[np.float64],
    expected: NDArray[np.float64],
    generators: NDArray[u32],
    normals: NDArray[f32],
    state: NDArray[np.float64],
) -> None:
    # What lanes keep is made by the caller: Numba takes a second to compile what makes arrays.
    for n in range(ids.size):
        # What starts below its barrier is knocked out at once, exactly.
        if terms[SPOT, n] < terms[STRIKE, n]:
            add_worthless(sums, HALF * 2 * n, stops[n] - starts[n])
            continue
        x, drift, spread, growth = walk_terms(terms, n, steps[n])
        controlled, control = control_terms(x, drift, spread, steps[n], unrest_of(terms, n))
        expected[n] = control_value(steps[n], 0.0, 0.0, control)[0] if controlled else 0.0
        keys = trade_keys(seed, ids[n])
        for first in range(starts[n], stops[n], LANES):
            start_generators(generators, keys, first)
            start_paths(state, x)
            for step in range(steps[n]):
                draw_normals(generators, step, normals)
                fill_growth(normals, growth)
                step_paths(state, normals, drift, spread)
            fill_values(state)
            fill_controls(state, steps[n], controlled, control)
            rest = stops[n] - first
            for lane in range(LANES if rest > LANES else rest):
                place = HALF * (2 * n + lane % 2)
                add_path(sums, place, state[VALUE + lane], state[CONTROL + lane])
