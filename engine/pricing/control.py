"""The control variate: a claim on a twin of each path, whose expectation is known in closed form.

Beside a path runs its twin: the same normals z1, but the volatility stays what it was at the start,
so that its x = log(spot / strike) is a random walk with Gaussian steps of mean alpha and standard
deviation q. With n steps left, let

    v(x, n) = E[max(0, 1 - exp(-(x + alpha*n + q*sqrt(n)*Z)))],     the value without a barrier
    r(x, n) = exp(-2*alpha*(x - b)/q**2) * v(2*b - x, n),           its image about b
    m(x, n) = v(x, n) - r(x, n)

Each of v and r is the expectation of itself a step later, so m along the twin is a martingale, for
any b. The control is m of the twin when its path is first below the barrier, or else at the end: a
stopping time, so its expectation is m at the start, exactly, however random the path's own
volatility is. For a survivor it is nearly the payoff. For others it is nearly 0: m is 0 at b, and b
is where paths that are watched at each step alone are stopped on average, below the barrier by
0.5826 q (M. Broadie, P. Glasserman and S. Kou, "A continuity correction for discrete barrier
options", Mathematical Finance 7 (1997), 325-349). For images see R. C. Merton, "Theory of rational
option pricing", Bell Journal of Economics 4 (1973), 141-183; for martingales as controls
P. Glasserman, "Monte Carlo Methods in Financial Engineering" (2003), section 4.1.

All is in units of steps, so that no term's scale matters.
"""

import math

from engine.pricing.jit import inlined
from engine.pricing.mathfn import scaled_normal

_OVERSHOOT = 0.5825971579390106
"""-zeta(1/2) / sqrt(2 * pi)"""

_LEAST_SPREAD, _LARGEST_SPREAD, _LARGEST_DRIFT = 1e-8, 100.0, 1e6
_NO_TIME = 1e-20
"""Steps for none at all: spreads are divided by."""

_LARGEST_IMAGE = 1.0
"""Standard deviation of the logarithm of the image's factor, up to which there is an image."""

ControlTerms = tuple[float, float, float, float, float]
"""x at the start, the drift of log(spot) over a step, alpha, q, and the weight of the image."""


@inlined
def control_terms(
    x: float, drift: float, spread: float, steps: int, unrest: float
) -> tuple[bool, ControlTerms]:
    """Whether a trade has a control, and what it needs; drift and volatility are over a step.

    Without: what next to does not move, for its price has next to no error; and what moves so
    far that the closed form would leave the range of a float. ``unrest`` is the standard deviation
    of log-volatility over the trade's life.
    """
    alpha = drift - 0.5 * spread * spread
    controlled = _LEAST_SPREAD <= spread <= _LARGEST_SPREAD and abs(drift) * steps <= _LARGEST_DRIFT
    # With one step, the barrier is where the payoff is 0 anyway. And where drift alone carries
    # paths past the barrier in a step, there is nothing like a boundary at b.
    bounded = steps > 1 and abs(alpha) <= spread
    # Where volatility is random, the twin of a survivor may be far below the barrier. With alpha
    # above 0 its image then grows without bound, on few paths, which most samples do not see.
    tame = 2.0 * alpha * math.sqrt(steps) * unrest <= _LARGEST_IMAGE * spread
    return controlled, (x, drift, alpha, spread, 1.0 if bounded and tame else 0.0)


@inlined
def control_value(
    steps: int, dates: float, walk: float, terms: ControlTerms
) -> tuple[float, float, float]:
    """m after ``dates`` of ``steps`` steps of the twin, whose normals z1 have the sum ``walk``.

    And its derivatives by x and by the logarithm of volatility. b moves with volatility, so that m
    stays 0 in the mean where paths are stopped, and its derivative with it: paths that are knocked
    out, of which a sample may see none, then leave nothing to be seen.
    """
    start, drift, alpha, q, image = terms
    x = start + (alpha * dates + q * walk)
    b = -_OVERSHOOT * q
    left = steps - dates
    spread = q * math.sqrt(left if left > _NO_TIME else _NO_TIME)
    half = 0.5 * spread * spread
    mean = x + alpha * left
    d = mean / spread
    density, above = scaled_normal(d, 0.0)
    _, by_x = scaled_normal(d - spread, half - mean)

    steepness = -2.0 * alpha / (q * q)
    exponent = steepness * (x - b)
    mirrored = (2.0 * b - x) + alpha * left
    e = mirrored / spread
    image_density, image_above = scaled_normal(e, exponent)
    _, image_by_x = scaled_normal(e - spread, (exponent + half) - mirrored)
    reflected = image_above - image_by_x
    by_exponent = 4.0 * drift * (x - b) / (q * q)
    by_b = 2.0 * image_by_x - steepness * reflected
    return (
        (above - by_x) - image * reflected,
        by_x - image * (steepness * reflected - image_by_x),
        (spread * density - 4.0 * half * by_x)
        - image
        * (
            (reflected * by_exponent + b * by_b)
            + (spread * image_density - 4.0 * half * image_by_x)
        ),
    )
