"""Our elementary functions against the C library's, at the accuracy their docstrings promise."""

import math

import numpy as np
import pytest

from engine.pricing import mathfn
from tests.engine.pricing.reference import called

f32 = np.float32

expm1_32, expm1_64, exp64 = (called(f) for f in (mathfn.expm1_32, mathfn.expm1_64, mathfn.exp64))
log32, log64, sin_cos32 = (called(f) for f in (mathfn.log32, mathfn.log64, mathfn.sin_cos32))
normal_cdf, scaled_normal = called(mathfn.normal_cdf), called(mathfn.scaled_normal)


def test_log32_is_within_two_ulp() -> None:
    for u in np.concatenate([np.geomspace(2.0**-32, 1, 500), np.linspace(0.4, 1, 500)]):
        u = f32(u)
        exact = math.log(u)
        assert abs(float(log32(u)) - exact) <= 2 * np.spacing(f32(abs(exact))) + 1e-45


def test_sin_cos32_is_within_1e_7() -> None:
    for angle in np.linspace(0, math.pi / 4, 1000, dtype=f32):
        sine, cosine = sin_cos32(angle)
        assert abs(float(sine) - math.sin(angle)) < 1e-7
        assert abs(float(cosine) - math.cos(angle)) < 1e-7


def test_expm1_32_is_within_2e_7() -> None:
    small = np.geomspace(1e-30, 1, 300)
    for x in np.concatenate([-small, small, np.linspace(-87, 87, 1001)]):
        x = f32(x)
        assert float(expm1_32(x)) == pytest.approx(math.expm1(x), rel=2e-7, abs=0)


def test_expm1_64_is_within_4e_16() -> None:
    small = np.geomspace(1e-300, 1, 500)
    for x in np.concatenate([-small, small, np.linspace(-700, 700, 2001)]):
        assert expm1_64(float(x)) == pytest.approx(math.expm1(x), rel=4.5e-16, abs=0)


def test_log64_is_within_an_ulp() -> None:
    for x in np.concatenate([1 + np.geomspace(1e-15, 1, 500), np.geomspace(1, 1.79e308, 500)]):
        exact = math.log(x)
        assert abs(log64(float(x)) - exact) <= np.spacing(exact)


def test_values_that_decide_are_exact() -> None:
    assert log64(1.0) == 0.0
    assert expm1_64(0.0) == 0.0
    assert expm1_64(-1e9) == -1.0
    assert expm1_64(-math.inf) == -1.0
    assert expm1_32(f32(0)) == 0.0
    assert exp64(0.0) == 1.0
    assert normal_cdf(0.0) == 0.5
    assert normal_cdf(math.inf) == 1.0
    assert normal_cdf(-math.inf) == 0.0


def test_exp64_is_within_4e_16() -> None:
    for x in np.linspace(-700, 700, 3001):
        assert exp64(float(x)) == pytest.approx(math.exp(x), rel=4.5e-16, abs=0)


def exact_normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def test_normal_cdf_is_within_1e_15_and_its_lower_tail_relatively() -> None:
    for z in np.linspace(-37, 10, 5001):
        exact = exact_normal_cdf(z)
        assert abs(normal_cdf(z) - exact) < 1e-15
        assert normal_cdf(z) == pytest.approx(exact, rel=1e-12, abs=0)


@pytest.mark.parametrize("log_scale", [-600.0, -3.0, 0.5, 300.0])
def test_scaled_normal_is_the_product(log_scale: float) -> None:
    for z in np.linspace(-8, 8, 101):
        density, below = scaled_normal(z, log_scale)
        scale = math.exp(log_scale)
        assert density == pytest.approx(
            scale * math.exp(-z * z / 2) / math.sqrt(2 * math.pi), rel=1e-12
        )
        assert below == pytest.approx(scale * exact_normal_cdf(z), rel=1e-12)


def test_scaled_normal_is_right_where_its_factors_leave_the_range_of_a_float() -> None:
    # 1 / (z * sqrt(2 * pi)) is what is left for large z, less 1 / z**2 of it.
    z = 1000.0
    _, below = scaled_normal(-z, z * z / 2)
    assert below == pytest.approx((1 - 1 / z**2) / (z * math.sqrt(2 * math.pi)), rel=1e-11)
