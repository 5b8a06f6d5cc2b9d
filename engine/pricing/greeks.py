"""The path kernel that adds delta and vega: one pass, the same paths, the same PV to the last bit.

A path's derivative is payoff' * tangent + payoff * weight; see ``engine.pricing.tangents``.

The control's derivatives are estimated in the same way, from the same moved normals. The twin moves
by them too, and so do its moves and weights up to the step in which its path is knocked out. Which
step that is does not change, for the path does not move at the barrier: so the derivative of the
control has the expectation that its closed form has, however random the path's volatility is.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.pricing.control import ControlTerms, control_terms, control_value
from engine.pricing.jit import compiled, inlined
from engine.pricing.kernel import (
    CONTROL,
    DATES,
    MATURITY,
    NORMAL_ROWS,
    SPOT,
    STATE_ROWS,
    STRIKE,
    VALUE,
    VOL,
    WALK,
    X,
    fill_growth,
    fill_values,
    start_paths,
    step_paths,
    unrest_of,
    walk_terms,
)
from engine.pricing.mathfn import f32, u32, u64
from engine.pricing.randoms import (
    GENERATOR_ROWS,
    LANES,
    draw_normals,
    start_generators,
    trade_keys,
)
from engine.pricing.sums import HALF, add_path, add_worthless
from engine.pricing.tangents import (
    BY_SPOT,
    BY_VOL,
    CHANGE,
    LEAST_SPREAD,
    MOVED,
    TANGENT_ROWS,
    WEIGHT,
    localise,
    moves_of,
    start_tangents,
    step_tangents,
)

SPOT_VALUE, SPOT_CONTROL = STATE_ROWS * LANES, (STATE_ROWS + 1) * LANES
VOL_VALUE, VOL_CONTROL = (STATE_ROWS + 2) * LANES, (STATE_ROWS + 3) * LANES
_STATE_ROWS = STATE_ROWS + 4
"""Behind a path's state: the derivatives of its value and of its control."""

Scales = tuple[float, float, float]

_FIGURES = ((0, VALUE, CONTROL), (1, SPOT_VALUE, SPOT_CONTROL), (2, VOL_VALUE, VOL_CONTROL))


@inlined
def _finite(value: float) -> float:
    """Single precision overflows where volatility has grown by many powers of ten: no such path
    tells anything."""
    return value if abs(value) < math.inf else 0.0


@inlined
def _fill_derivatives(state: NDArray[np.float64], tangents: NDArray[f32], scales: Scales) -> None:
    """Compute the derivatives of the paths' values by x at the start and by the volatility."""
    per_q, per_vol, root_dt = scales
    for i in range(LANES):
        value = state[VALUE + i]
        slope = 1.0 - value if state[X + i] >= 0.0 else 0.0
        by_x = 1.0 + np.float64(tangents[BY_SPOT + CHANGE + i])
        by_vol = root_dt * np.float64(tangents[BY_VOL + CHANGE + i])
        weight = per_q * np.float64(tangents[BY_SPOT + WEIGHT + i])
        vol_weight = per_vol * np.float64(tangents[BY_VOL + WEIGHT + i])
        alive = state[X + i] >= 0.0
        state[SPOT_VALUE + i] = _finite(slope * by_x + value * weight) if alive else 0.0
        state[VOL_VALUE + i] = _finite(slope * by_vol + value * vol_weight) if alive else 0.0


@inlined
def _fill_controls(
    state: NDArray[np.float64],
    tangents: NDArray[f32],
    steps: int,
    controlled: bool,
    terms: ControlTerms,
    on_z1: float,
    scales: Scales,
) -> None:
    """Compute the controls and their derivatives; 0 for a trade that has none."""
    if not controlled:
        for i in range(LANES):
            state[CONTROL + i] = 0.0
            state[SPOT_CONTROL + i] = 0.0
            state[VOL_CONTROL + i] = 0.0
        return
    per_q, per_vol, root_dt = scales
    spread = terms[3]
    for i in range(LANES):
        dates, walk = state[DATES + i], state[WALK + i]
        value, by_x, by_log_vol = control_value(steps, dates, walk, terms)
        weight = per_q * np.float64(tangents[BY_SPOT + WEIGHT + i])
        vol_weight = per_vol * np.float64(tangents[BY_VOL + WEIGHT + i])
        tangent = 1.0 + on_z1 * np.float64(tangents[BY_SPOT + MOVED + i])
        moved = on_z1 * np.float64(tangents[BY_VOL + MOVED + i])
        vol_tangent = root_dt * ((walk - spread * dates) + moved)
        state[CONTROL + i] = value
        state[SPOT_CONTROL + i] = _finite(by_x * tangent + value * weight)
        state[VOL_CONTROL + i] = _finite(
            (by_x * vol_tangent + value * vol_weight) + by_log_vol * per_vol
        )


def add_greeks(
    seed: np.uint64,
    ids: NDArray[np.int64],
    terms: NDArray[np.float64],
    steps: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    sums: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> None:
    """As ``add_values``, with the derivatives by x at the start and by the initial volatility.

    The second axis of ``sums`` and ``expected`` is value, d/dx and d/dvol.
    """
    generators, normals = np.empty(GENERATOR_ROWS * LANES, u32), np.empty(NORMAL_ROWS * LANES, f32)
    state = np.empty(_STATE_ROWS * LANES, np.float64)
    tangents = np.empty(TANGENT_ROWS * LANES, f32)
    _add_greeks(
        *(seed, ids, terms, steps, starts, stops, sums.reshape(-1), expected),
        *(generators, normals, state, tangents),
    )


@inlined
def _scales(terms: NDArray[np.float64], trade: int, steps: int, spread: float) -> Scales:
    """What brings derivatives to x and volatility: 1/q, 1/vol, and q/vol. The first two go with
    weights, which paths that do not move have none of."""
    moves = spread > LEAST_SPREAD
    per_q = 1.0 / spread if moves else 0.0
    per_vol = 1.0 / terms[VOL, trade] if moves else 0.0
    return per_q, per_vol, math.sqrt(terms[MATURITY, trade] / steps)


@compiled
def _add_greeks(
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
    tangents: NDArray[f32],
) -> None:
    for n in range(ids.size):
        if terms[SPOT, n] < terms[STRIKE, n]:
            for figure in range(3):
                add_worthless(sums, HALF * 2 * (3 * n + figure), stops[n] - starts[n])
            continue
        x, drift, spread, growth = walk_terms(terms, n, steps[n])
        moves, scales = moves_of(growth), _scales(terms, n, steps[n], spread)
        controlled, control = control_terms(x, drift, spread, steps[n], unrest_of(terms, n))
        if controlled:
            value, by_x, by_log_vol = control_value(steps[n], 0.0, 0.0, control)
            expected[n, 0] = value
            expected[n, 1] = by_x
            expected[n, 2] = by_log_vol * scales[1]
        keys = trade_keys(seed, ids[n])
        for first in range(starts[n], stops[n], LANES):
            start_generators(generators, keys, first)
            start_paths(state, x)
            start_tangents(tangents)
            for step in range(steps[n]):
                draw_normals(generators, step, normals)
                fill_growth(normals, growth)
                step_paths(state, normals, drift, spread)
                localisation = localise(spread, steps[n] - step - 1)
                step_tangents(tangents, state, normals, spread, moves, localisation, step + 1)
            fill_values(state)
            _fill_derivatives(state, tangents, scales)
            _fill_controls(state, tangents, steps[n], controlled, control, moves[0], scales)
            rest = stops[n] - first
            for lane in range(LANES if rest > LANES else rest):
                for figure, value_row, control_row in _FIGURES:
                    place = HALF * (2 * (3 * n + figure) + lane % 2)
                    add_path(sums, place, state[value_row + lane], state[control_row + lane])
