"""Tangents: how a path moves with its spot and volatility at the start, and what that is worth.

The payoff jumps at the barrier, so its derivative along a path misses what the jump contributes.
We move each path by its derivative only as far as the barrier does not feel it, and give the rest
to the density of the normals. By path, with x as in the model's kernel and theta = spot or vol:

    p = dx[t]/dtheta, the tangent of x before this step's correction
    n = the standard normal along one direction in the plane of z1 and z2;  j = dx[t]/dn
    a = -p * b, by which n is moved:  b = j / (j**2 + x[t]**2 * (1 + (x[t]/l)**4))
    h = p + a*j = p * (1 - b*j), the tangent after it: 0 at x[t] = 0, and p itself far away
    dPV/dtheta = E[payoff'(x[T]) * h[T] - payoff * sum over t of (a*n - da/dn)], knocked out: 0

Each summand is Gaussian integration by parts, E[f'(n) a] = E[f(n) (a n - a')], so the result is
unbiased for any b for which h vanishes at the barrier; b decides the variance alone. At the last
step b is 0, for the payoff does not jump there: it is 0 at the barrier. The idea, in continuous
time, is that of Gobet and Kohatsu-Higa, "Computation of Greeks for barrier and lookback options
using Malliavin calculus", Electronic Communications in Probability 8 (2003), 51-62: no weight where
the path is near the barrier, pathwise elsewhere. See also Glasserman, "Monte Carlo Methods in
Financial Engineering" (2003), sections 7.2 to 7.4, for the two halves.

The form of b and l, the standard deviation of x over the time that is left, were chosen by trial on
trades with spots from 0 to 30 % above the strike: standard errors are flat around them. (They are
not small where rho is 1 and vol_of_vol large: j is then 0 for some n, and no direction avoids it.)

Tangents are single precision, and in units of q, the standard deviation of a step: a, n and j/q
are then near 1 whatever the terms. Their rounding prefers no sign, and is far below the noise.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.pricing.jit import fma, inlined
from engine.pricing.kernel import DATES, RATIO, Z1, Z2, Growth, X
from engine.pricing.mathfn import f32
from engine.pricing.randoms import LANES

CHANGE, MOVED, WEIGHT = 0, LANES, 2 * LANES
BY_SPOT, BY_VOL = 0, 3 * LANES
TANGENT_ROWS = 6
"""By x/q at the start, and by the logarithm of the initial volatility: the tangent of x/q less what
it was at the start, 1 or 0; the sum of the moves a; the sum of the weights. (Less its start, for
roundings next to 1 would all go the same way.)"""

LEAST_SPREAD = 1e-150
"""A standard deviation of a step below which it counts as 0: what is divided by it stays finite."""

_2, _6 = f32(2), f32(6)
_NONE, _ONE = f32(0), f32(1)

_STEEPEST = 0.1
"""The derivative of log-volatility by n that needs no turn: x by n then is 0 beyond n = 10 only."""

_FURTHEST = 3.0

_FAR = f32(1000)
"""Of x over l: from there on b, which falls with its 6th power, is 0, and not merely next to it."""

# Bounds that keep powers finite, and 0 / 0 from coming about.
_LARGEST, _TINY = 1e15, f32(1e-30)

Moves = tuple[float, float, float]
"""The direction of n on z1 and z2, and kappa, the derivative of log-volatility by n."""


@inlined
def start_tangents(tangents: NDArray[f32]) -> None:
    """Set every lane to the start of a path."""
    for i in range(TANGENT_ROWS * LANES):
        tangents[i] = _NONE


@inlined
def moves_of(growth: Growth) -> Moves:
    """The direction in which normals are moved, of length 1, and kappa.

    Along z1, as long as that hardly moves the volatility: a step's move of both could cancel, and x
    then not depend on n at all. With large vol_of_vol, turned away from what moves the volatility,
    as far as rho allows.
    """
    _, on_z1, on_z2 = growth
    slope = 0.0
    if abs(on_z1) > _STEEPEST and on_z2 > 0.0:
        slope = (math.copysign(_STEEPEST, on_z1) - on_z1) / on_z2
        if abs(slope) > _FURTHEST:
            slope = math.copysign(_FURTHEST, slope)
    length = math.sqrt(1.0 + slope * slope)
    return 1.0 / length, slope / length, (on_z1 + on_z2 * slope) / length


@inlined
def localise(spread: float, left: int) -> tuple[float, float]:
    """1/l and q/l, with l the standard deviation of x over the ``left`` steps to go.

    Both are 0, which makes b = 0 and so the tangents purely pathwise, at the last step and for
    paths that do not move.
    """
    if left > 0 and spread > LEAST_SPREAD:
        root = math.sqrt(float(left))
        return 1.0 / (spread * root), 1.0 / root
    return 0.0, 0.0


@inlined
def _move(
    tangents: NDArray[f32],
    row: int,
    own: tuple[f32, f32],
    kappa: f32,
    s: f32,
    b: f32,
    bj: f32,
    on_p: f32,
    on_vol: f32,
) -> None:
    """Step one parameter's tangents in one lane; see ``step_tangents``.

    ``own`` are the derivatives of x/q and of log-volatility by the parameter at the start, and
    ``on_...`` what p and the tangent of log-volatility contribute to the weight.
    """
    own_x, own_vol = own
    moved = tangents[row + MOVED]
    by_vol = fma(kappa, moved, own_vol)
    change = fma(by_vol, s, tangents[row + CHANGE])
    p = own_x + change
    tangents[row + CHANGE] = fma(-bj, p, change)
    tangents[row + MOVED] = fma(-b, p, moved)
    tangents[row + WEIGHT] = fma(p, on_p, fma(by_vol, on_vol, tangents[row + WEIGHT]))


@inlined
def step_tangents(
    tangents: NDArray[f32],
    state: NDArray[np.float64],
    normals: NDArray[f32],
    spread: float,
    moves: Moves,
    localisation: tuple[float, float],
    date: int,
) -> None:
    """Move the tangents over the step that ``step_paths`` has just made, the ``date``-th.

    The names are those above, in units of q; but x and j are in units of l. s is dx by the step's
    own log-volatility, and d... a derivative by n.
    """
    on_z1, on_z2, kappa = f32(moves[0]), f32(moves[1]), f32(moves[2])
    per_l, q_per_l = localisation
    per = f32(q_per_l)
    kappa_per = kappa * per
    q = f32(spread if spread < _LARGEST else _LARGEST)
    today = float(date)
    for i in range(LANES):
        z1 = normals[Z1 + i]
        n = fma(on_z1, z1, on_z2 * normals[Z2 + i])
        grown = state[RATIO + i]
        ratio = f32(grown if grown < _LARGEST else _LARGEST)
        v = q * ratio
        s = ratio * (z1 - v)
        direct = on_z1 * ratio
        dx = fma(kappa, s, direct)
        ds = fma(-kappa * ratio, v, dx)
        j = per * dx
        dj = kappa_per * (direct + ds)
        x = f32(state[X + i] * per_l)
        # Neither b nor NaN where a path is far from the barrier, or was knocked out before.
        near = abs(x) < _FAR
        x = x if near else _FAR
        unit = per if near and state[DATES + i] == today else _NONE
        x2 = x * x
        x4 = x2 * x2
        reciprocal = unit / (fma(j, j, fma(x2, x4, x2)) + _TINY)
        b = j * reciprocal
        bj = b * dx
        db = fma(-bj, fma(x, fma(_6, x4, _2), _2 * dj), dj) * reciprocal
        on_p, on_vol = fma(b, n, -db), -b * ds
        _move(tangents, BY_SPOT + i, (_ONE, _NONE), kappa, s, b, bj, on_p, on_vol)
        _move(tangents, BY_VOL + i, (_NONE, _ONE), kappa, s, b, bj, on_p, on_vol)
