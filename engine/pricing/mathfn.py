"""Elementary functions of our own, so that their bits depend on no library and no processor.

Every one is a fixed sequence of additions, multiplications, divisions and bit operations, each
rounded by IEEE 754; none of them branches, so that LLVM runs them on many lanes at once. (libm's
differ from version to version, and NumPy's from processor to processor.)

The single-precision ones make random numbers, where an error of 1e-7 is far below what a random
number is good for; the double-precision ones make figures.
"""

import math

import numpy as np

from engine.pricing.jit import float32_bits, float32_of, float64_bits, float64_of, inlined

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
    y = _L0 * x + _L1
    y = y * x + _L2
    y = y * x + _L3
    y = y * x + _L4
    y = y * x + _L5
    y = y * x + _L6
    y = y * x + _L7
    y = y * x + _L8
    y = y * x * z + _LN2_LOW32 * exponent - _HALF * z
    return (x + y) + _LN2_HIGH32 * exponent


@inlined
def sin_cos32(angle: f32) -> tuple[f32, f32]:
    """Sine and cosine on [0, pi/4]; within 1e-7 (Cephes, single/sinf.c)."""
    z = angle * angle
    sine = ((_S0 * z + _S1) * z + _S2) * z * angle + angle
    cosine = ((_C0 * z + _C1) * z + _C2) * z * z - _HALF * z + _ONE
    return sine, cosine


@inlined
def expm1_32(x: f32) -> f32:
    """exp(x) - 1 of x in [-87, 87], and of the nearer bound for others; within 2e-7 relative.

    exp(x) - 1 = 2**k * (exp(r) - 1) + (2**k - 1) with x = k * ln(2) + r, |r| <= ln(2)/2.
    """
    x = min(max(x, _LEAST32), _MOST32)
    shifted = x * _PER_LN2_32 + _ROUND32
    k = shifted - _ROUND32
    r = (x - k * _LN2_HIGH32) - k * _LN2_LOW32
    y = _E7 * r + _E6
    y = y * r + _E5
    y = y * r + _E4
    y = y * r + _E3
    y = y * r + _E2
    y = y * r * r + r
    power = float32_of(u32(u32(float32_bits(shifted) + _BIAS32) << _SHIFT32))
    return y * power + (power - _ONE)


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
    y = 1.479819860511658591e-01 * z + 1.531383769920937332e-01
    y = y * z + 1.818357216161805012e-01
    y = y * z + 2.222219843214978396e-01
    y = y * z + 2.857142874366239149e-01
    y = y * z + 3.999999999940941908e-01
    y = (y * z + 6.666666666666735130e-01) * z
    half = 0.5 * f * f
    return k * _LN2_HIGH64 - ((half - (s * (half + y) + k * _LN2_LOW64)) - f)


@inlined
def expm1_64(x: float) -> float:
    """exp(x) - 1 of x in [-700, 700], and of the nearer bound for others; within 4e-16 relative.

    As ``expm1_32``.
    """
    x = min(max(x, -700.0), 700.0)
    shifted = x * _PER_LN2_64 + _ROUND64
    k = shifted - _ROUND64
    r = (x - k * _LN2_HIGH64) - k * _LN2_LOW64
    y = _T13 * r + _T12
    y = y * r + _T11
    y = y * r + _T10
    y = y * r + _T9
    y = y * r + _T8
    y = y * r + _T7
    y = y * r + _T6
    y = y * r + _T5
    y = y * r + _T4
    y = y * r + _T3
    y = y * r + _T2
    y = y * r * r + r
    power = float64_of(u64(u64(float64_bits(shifted) + _BIAS64) << _SHIFT64))
    return y * power + (power - 1.0)
