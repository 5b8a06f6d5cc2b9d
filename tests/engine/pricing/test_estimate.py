"""Estimates from sums: against NumPy's own statistics, and where samples tell little."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.pricing.estimate import estimates, fixed_gammas, paths_wanted
from engine.pricing.sums import HALF, HALVES, add_path

Floats = NDArray[np.float64]


def summed(values: Floats, controls: Floats) -> Floats:
    """The sums over paths, of shape (2, 8)."""
    sums = np.zeros(HALVES * HALF)
    for path, (value, control) in enumerate(zip(values, controls, strict=True)):
        add_path(sums, HALF * (path % 2), value, control)
    return sums.reshape(HALVES, HALF)


def estimate(
    values: Floats, controls: Floats, expected: float, gamma: float = 0.0
) -> tuple[float, float]:
    mean, error = estimates(summed(values, controls), np.array(expected), np.array(gamma))
    return float(mean), float(error)


def pairs(n: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Values and controls that have a correlation of about 0.9."""
    noise, controls = np.random.default_rng(seed).normal(size=(2, n))
    return 3.0 + controls * 2.0 + noise, controls


@pytest.mark.parametrize("n", [32, 33, 1000])
def test_each_half_takes_the_beta_of_the_other(n: int) -> None:
    values, controls = pairs(n)
    samples = np.empty(n)
    for own, other in ((0, 1), (1, 0)):
        covariance = np.cov(values[other::2], controls[other::2])
        beta = covariance[0, 1] / covariance[1, 1]
        samples[own::2] = values[own::2] - beta * (controls[own::2] - 0.25)
    variance = sum(half.var(ddof=1) * half.size for half in (samples[::2], samples[1::2]))
    assert estimate(values, controls, 0.25) == pytest.approx(
        (samples.mean(), math.sqrt(variance) / n)
    )


@pytest.mark.parametrize("n", [2, 3, 17, 31])
@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_few_paths_take_the_control_whole_or_not_at_all(n: int, gamma: float) -> None:
    values, controls = pairs(n)
    samples = values - (1 - gamma) * (controls - 0.25)
    error = samples.std(ddof=1) / math.sqrt(n)
    assert estimate(values, controls, 0.25, gamma) == pytest.approx((samples.mean(), error))


def test_one_path_has_no_error() -> None:
    mean, error = estimate(np.array([2.0]), np.array([0.5]), 0.25)
    assert mean == 1.75
    assert math.isnan(error)


def test_estimates_are_unbiased() -> None:
    runs = [estimate(*pairs(40, seed), expected=0.0) for seed in range(2000)]
    means, errors = np.array(runs).T
    assert abs(means.mean() - 3.0) < 4 * means.std() / math.sqrt(len(runs))
    assert math.sqrt((errors**2).mean()) == pytest.approx(means.std(), rel=0.06)


def test_a_control_that_tells_nothing_costs_next_to_nothing() -> None:
    values, _ = pairs(1000)
    unrelated = np.random.default_rng(9).normal(size=1000)
    _, error = estimate(values, unrelated, 0.0)
    assert error < 1.01 * values.std(ddof=1) / math.sqrt(1000)


def test_no_control_is_the_plain_mean() -> None:
    values, _ = pairs(1000)
    mean, error = estimate(values, np.zeros(1000), 0.0)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(1000), rel=1e-3)


def test_if_no_path_pays_the_error_is_that_of_the_control() -> None:
    _, controls = pairs(1000)
    mean, error = estimate(np.zeros(1000), controls, 0.1)
    assert mean == pytest.approx(0.1 - controls.mean())
    assert error == pytest.approx(controls.std(ddof=1) / math.sqrt(1000), rel=1e-3)


def test_a_half_that_hardly_shows_the_control_does_not_magnify_it() -> None:
    values, controls = pairs(1000)
    controls[1::2] *= 1e-6  # Of the odd half, which so finds a beta of two millions.
    _, error = estimate(values, controls, 0.0)
    assert error < 3 * values.std(ddof=1) / math.sqrt(1000)


def test_a_small_remainder_is_not_lost_beside_a_large_control() -> None:
    noise, controls = np.random.default_rng(3).normal(size=(2, 1000))
    _, error = estimate(1e6 + controls + 1e-9 * noise, 1e6 + controls, 1e6)
    # Less exactly: a double at 1e6 has a spacing of 1e-10.
    assert error == pytest.approx(1e-9 / math.sqrt(1000), rel=0.1)


def test_small_samples_use_the_control_where_volatility_is_all_but_constant() -> None:
    gammas = fixed_gammas(np.array([0.0015, 0.5, 1.0, 1e300]), np.array([0.2, 2.0, 2.0, 1e300]))
    assert gammas.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("done", "most", "mean", "error", "wanted"),
    [
        (128, 10_000, 1.0, 0.006, 128),  # enough
        (128, 10_000, -1.0, 0.006, 128),
        (128, 10_000, 0.0, 0.0, 128),  # worth nothing, for certain
        (128, 10_000, 1.0, 0.007, 512),  # enough, if it were certain
        (512, 10_000, 1.0, 0.01, 512),
        (128, 10_000, 1.0, 0.02, 640),  # 4.4 times as many, in whole blocks
        (512, 10_000, 1.0, 0.0101, 640),
        (128, 10_000, 1.0, 9.0, 2048),  # not more than 16 times as many at once
        (128, 10_000, 0.0, 1.0, 2048),
        (128, 500, 1.0, 9.0, 500),
        (500, 500, 1.0, 9.0, 500),
        (1, 1, 1.0, math.nan, 1),
    ],
)
def test_paths_wanted(done: int, most: int, mean: float, error: float, wanted: int) -> None:
    means, errors = np.array([mean]), np.array([error])
    found = paths_wanted(np.array([done]), np.array([most]), means, errors, accuracy=0.01)
    assert found.tolist() == [wanted]
