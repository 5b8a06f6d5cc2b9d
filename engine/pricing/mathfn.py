"""Elementary functions of our own, so that their bits depend on no library and no processor.

Every one is a fixed sequence of additions, multiplications, divisions and bit operations, each
rounded by IEEE 754; none of them branches, so that LLVM runs them on many lanes at once. (libm's
differ from version to version, and NumPy's from processor to processor.)

The single-precision ones make random numbers, where an error of 1e-7 is far below what a random
number is good for; the double-precision ones make figures.
"""

import math

import numpy as np

from engine.pricing.jit import float32_bits, float32_of, float64_bits, float64_of, fma, inlined

f32 = np.float32
u32 = np.uint32
i32 = np.int32
u64 = np.uint64

# Adding 1.5 * 2**23 (or 2**52) rounds a float to a whole number and leaves it in the lowest bits.
_ROUND32 = f32(1.5 * 2.0**23)
_ROUND64 = 1.5 * 2.0**52

_ONE, _TWO, _HALF = f32(1), f32(2), f32(0.5)
_SQRT_HALF = f32(math.sqrt(0.5))
_MANTISSA32, _MANTISSA64 = u32(0x007FFFFF), u64(0x000FFFFFFFFFFFFF)
_EXPONENT_OF_HALF32, _EXPONENT_OF_ONE64 = u32(0x3F000000), u64(0x3FF0000000000000)
_BIAS32, _BIAS64 = u32(127), u64(1023)
_SHIFT32, _SHIFT64 = u32(23), u64(52)
_BELOW_ONE = f32(126)

# ln 2 as a sum of a short number, whose product with an exponent is exact, and the rest.
_LN2_HIGH32, _LN2_LOW32 = f32(0.693359375), f32(-2.12194440e-4)
_LN2_HIGH64, _LN2_LOW64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_PER_LN2_32, _PER_LN2_64 = f32(1 / math.log(2)), 1 / math.log(2)

# Cephes, single/logf.c (S. L. Moshier).
_L0, _L1, _L2 = f32(7.0376836292e-2), f32(-1.1514610310e-1), f32(1.1676998740e-1)
_L3, _L4, _L5 = f32(-1.2420140846e-1), f32(1.4249322787e-1), f32(-1.6668057665e-1)
_L6, _L7, _L8 = f32(2.0000714765e-1), f32(-2.4999993993e-1), f32(3.3333331174e-1)

# Cephes, single/sinf.c.
_S0, _S1, _S2 = f32(-1.9515295891e-4), f32(8.3321608736e-3), f32(-1.6666654611e-1)
_C0, _C1, _C2 = f32(2.443315711809948e-5), f32(-1.388731625493765e-3), f32(4.166664568298827e-2)

# Taylor's series of exp: its remainder on |r| <= ln(2)/2 is 5e-9 (degree 7), 4e-18 (degree 13).
_E2, _E3, _E4, _E5, _E6, _E7 = (f32(1 / math.factorial(n)) for n in range(2, 8))
_T2, _T3, _T4, _T5, _T6, _T7 = (1 / math.factorial(n) for n in range(2, 8))
_T8, _T9, _T10, _T11, _T12, _T13 = (1 / math.factorial(n) for n in range(8, 14))

# (1 + x) * R(x), with R Mills' ratio, as a polynomial in (x - 5) / (x + 5), lowest power first: the
# Chebyshev interpolant at 48 points, in 60 digits, cut where its terms fall below 1e-16.
_MILLS = (
    1.1568486282918946,
    -0.2294875382521184,
    0.07778159886873769,
    0.02507217930210036,
    -0.0661776007790963,
    0.061505045828185945,
    -0.03802659218584139,
    0.016348231425036042,
    -0.004201290329187307,
    1.9529678326371773e-05,
    0.00045704392357953655,
    -0.00013437036855802517,
    -2.480583845192319e-05,
    2.2699386557775844e-05,
    -1.7633239265736746e-07,
    -3.2597570878457124e-06,
    3.2054316652589574e-07,
    4.724032706831338e-07,
    -6.588974491108954e-08,
    -6.383575502421413e-08,
    9.092476134019147e-09,
    5.5322922141146196e-09,
    -7.073898575561589e-10,
)

_PER_ROOT_TAU = 1 / math.sqrt(2 * math.pi)
_FURTHEST = 1e100

_MOST32 = f32(87)
_LEAST32 = f32(-87)


@inlined
def log32(u: f32) -> f32:
    """Natural logarithm of a normal positive float32; within 2 ulp (Cephes, single/logf.c)."""
    bits = float32_bits(u)
    exponent = f32(i32(u32(bits >> _SHIFT32))) - _BELOW_ONE
    mantissa = float32_of(u32(u32(bits & _MANTISSA32) | _EXPONENT_OF_HALF32))
    low = mantissa < _SQRT_HALF
    exponent = exponent - _ONE if low else exponent
    x = (mantissa + mantissa if low else mantissa) - _ONE
    z = x * x
    y = fma(_L0, x, _L1)
    y = fma(y, x, _L2)
    y = fma(y, x, _L3)
    y = fma(y, x, _L4)
    y = fma(y, x, _L5)
    y = fma(y, x, _L6)
    y = fma(y, x, _L7)
    y = fma(y, x, _L8)
    y = fma(y * x, z, fma(_LN2_LOW32, exponent, -_HALF * z))
    return fma(_LN2_HIGH32, exponent, x + y)


@inlined
def sin_cos32(angle: f32) -> tuple[f32, f32]:
    """Sine and cosine on [0, pi/4]; within 1e-7 (Cephes, single/sinf.c)."""
    z = angle * angle
    sine = fma(fma(fma(_S0, z, _S1), z, _S2) * z, angle, angle)
    cosine = fma(fma(fma(fma(_C0, z, _C1), z, _C2), z, -_HALF), z, _ONE)
    return sine, cosine


@inlined
def expm1_32(x: f32) -> f32:
    """exp(x) - 1 of x in [-87, 87], and of the nearer bound for others; within 2e-7 relative.

    exp(x) - 1 = 2**k * (exp(r) - 1) + (2**k - 1) with x = k * ln(2) + r, |r| <= ln(2)/2.
    """
    x = x if x > _LEAST32 else _LEAST32
    x = x if x < _MOST32 else _MOST32
    shifted = fma(x, _PER_LN2_32, _ROUND32)
    k = shifted - _ROUND32
    r = fma(k, -_LN2_LOW32, fma(k, -_LN2_HIGH32, x))
    y = fma(_E7, r, _E6)
    y = fma(y, r, _E5)
    y = fma(y, r, _E4)
    y = fma(y, r, _E3)
    y = fma(y, r, _E2)
    y = fma(y * r, r, r)
    power = float32_of(u32(u32(float32_bits(shifted) + _BIAS32) << _SHIFT32))
    return fma(y, power, power - _ONE)


@inlined
def log64(x: float) -> float:
    """Natural logarithm of a finite x of at least 1; within 1 ulp, and 0 for 1 (fdlibm, e_log.c).

    log(x) = k * ln(2) + log(1 + f) with 1 + f in [1/sqrt(2), sqrt(2)), and a polynomial in
    s = f / (2 + f) for the second.
    """
    bits = float64_bits(x)
    exponent = float(np.int64(bits >> _SHIFT64)) - 1023.0
    mantissa = float64_of(u64(bits & _MANTISSA64) | _EXPONENT_OF_ONE64)
    high = mantissa > 1.4142135623730951
    f = (0.5 * mantissa if high else mantissa) - 1.0
    k = exponent + 1.0 if high else exponent
    s = f / (2.0 + f)
    z = s * s
    y = fma(1.479819860511658591e-01, z, 1.531383769920937332e-01)
    y = fma(y, z, 1.818357216161805012e-01)
    y = fma(y, z, 2.222219843214978396e-01)
    y = fma(y, z, 2.857142874366239149e-01)
    y = fma(y, z, 3.999999999940941908e-01)
    y = (y * z + 6.666666666666735130e-01) * z
    half = 0.5 * f * f
    return k * _LN2_HIGH64 - ((half - (s * (half + y) + k * _LN2_LOW64)) - f)


@inlined
def _exp_parts64(x: float) -> tuple[float, float]:
    """2**k and exp(r) - 1 with x = k * ln(2) + r, |r| <= ln(2)/2, of x in [-700, 700]."""
    x = x if x > -700.0 else -700.0
    x = x if x < 700.0 else 700.0
    shifted = fma(x, _PER_LN2_64, _ROUND64)
    k = shifted - _ROUND64
    r = fma(k, -_LN2_LOW64, fma(k, -_LN2_HIGH64, x))
    y = fma(_T13, r, _T12)
    y = fma(y, r, _T11)
    y = fma(y, r, _T10)
    y = fma(y, r, _T9)
    y = fma(y, r, _T8)
    y = fma(y, r, _T7)
    y = fma(y, r, _T6)
    y = fma(y, r, _T5)
    y = fma(y, r, _T4)
    y = fma(y, r, _T3)
    y = fma(y, r, _T2)
    y = fma(y * r, r, r)
    return float64_of(u64(u64(float64_bits(shifted) + _BIAS64) << _SHIFT64)), y


@inlined
def expm1_64(x: float) -> float:
    """exp(x) - 1 of x in [-700, 700], and of the nearer bound for others; within 4e-16 relative."""
    power, y = _exp_parts64(x)
    return fma(y, power, power - 1.0)


@inlined
def exp64(x: float) -> float:
    """exp(x) of x in [-700, 700], and of the nearer bound for others; within 4e-16 relative."""
    power, y = _exp_parts64(x)
    return fma(y, power, power)


@inlined
def scaled_normal(z: float, log_scale: float) -> tuple[float, float]:
    """exp(log_scale) times density and distribution function of a standard normal at z.

    Also where the factors on their own would leave the range of a float. Within 1e-15 of
    exp(log_scale), and for z <= 0 within 1e-12 relative until the result falls below 1e-300.

    The distribution function is density(z) * R(-z) for z <= 0, with Mills' ratio R, the upper tail
    over the density; and 1 less that of -z for z > 0. R in one piece, as in M. M. Shepherd and
    J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x**2) erfc x in 0 <= x < inf",
    Mathematics of Computation 36 (1981), 249-253.
    """
    size = abs(z)
    size = size if size < _FURTHEST else _FURTHEST
    t = (size - 5.0) / (size + 5.0)
    ratio = _MILLS[22]
    for n in range(21, -1, -1):
        ratio = fma(ratio, t, _MILLS[n])
    density = exp64(fma(-0.5 * size, size, log_scale)) * _PER_ROOT_TAU
    tail = density * (ratio / (1.0 + size))
    return density, (exp64(log_scale) - tail if z > 0.0 else tail)


@inlined
def normal_cdf(z: float) -> float:
    """The distribution function of a standard normal; see ``scaled_normal``."""
    return scaled_normal(z, 0.0)[1]
