"""Our elementary functions against the C library's, at the accuracy their docstrings promise."""

import math

import numpy as np
import pytest

from engine.pricing.mathfn import expm1_32, expm1_64, log32, log64, sin_cos32

f32 = np.float32


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
