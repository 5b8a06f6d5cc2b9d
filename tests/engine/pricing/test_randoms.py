"""The random numbers: what they are a function of, and whether they are normal and independent."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.pricing.randoms import LANES, path_normals, uniform
from tests.engine.pricing.reference import called

u32, u64 = np.uint32, np.uint64


def normals(
    seed: int = 1, trade: int = 1, first_path: int = 0, steps: int = 2000
) -> NDArray[np.float64]:
    return path_normals(u64(seed), trade, first_path, steps).astype(np.float64)


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def plain_normals(seed: int, trade: int, path: int, steps: int) -> list[tuple[float, float]]:
    """The definition, a number at a time, in Python's integers and doubles."""
    golden = 0x9E3779B97F4A7C15
    keys = (mix((mix((seed + n * golden) % 2**64) + trade) % 2**64) for n in (1, 2))
    one, two = (mix((key + path * golden) % 2**64) for key in keys)
    a, b, c, counter = one % 2**32, one >> 32, two % 2**32, 1
    pairs = []
    for _ in range(steps):
        drawn = []
        for _ in range(2):
            drawn.append((a + b + counter) % 2**32)
            a, b = b ^ b >> 9, (c + (c << 3)) % 2**32
            c = ((c << 21 | c >> 11) + drawn[-1]) % 2**32
            counter += 1
        radius = math.sqrt(-2 * math.log(((drawn[0] >> 1) + 0.5) / 2**31))
        angle = ((drawn[1] >> 8) + 0.5) / 2**24 * math.pi / 4
        z = [radius * math.cos(angle), radius * math.sin(angle)]
        if drawn[1] & 4:
            z.reverse()
        pairs.append((-z[0] if drawn[1] & 1 else z[0], -z[1] if drawn[1] & 2 else z[1]))
    return pairs


@pytest.mark.parametrize(("seed", "trade", "path"), [(0, 0, 0), (2**64 - 1, 2**53, 3), (7, 9, 127)])
def test_normals_are_those_of_the_definition(seed: int, trade: int, path: int) -> None:
    drawn = path_normals(u64(seed), trade, path, 50)[:, :, 0]
    np.testing.assert_allclose(drawn.T, plain_normals(seed, trade, path, 50), rtol=2e-6, atol=2e-6)


def test_a_path_is_the_same_in_whatever_lane_and_length_of_run() -> None:
    together = path_normals(u64(3), 5, 0, 40)
    alone = path_normals(u64(3), 5, 17, 20)
    np.testing.assert_array_equal(together[:, :20, 17:], alone[:, :, : LANES - 17])


def test_uniforms_lie_strictly_inside_0_and_1() -> None:
    drawn = called(uniform)
    assert drawn(u32(0)) == np.float32(2.0**-32)
    assert drawn(u32(2**32 - 1)) == np.float32(1 - 2.0**-24)


@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_moments_are_those_of_a_normal(seed: int) -> None:
    for z in normals(seed, steps=8000):
        n = z.size
        assert abs(z.mean()) < 4 / math.sqrt(n)
        assert abs((z**2).mean() - 1) < 4 * math.sqrt(2 / n)
        assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
        assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)


@pytest.mark.parametrize("bound", [0.5, 1.0, 2.0, 3.0, 4.0])
def test_tails_are_those_of_a_normal(bound: float) -> None:
    z = normals(steps=16000).ravel()
    for tail in (z > bound, z < -bound):
        p = 0.5 * math.erfc(bound / math.sqrt(2))
        assert abs(tail.mean() - p) < 4.5 * math.sqrt(p / z.size)


def correlations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of all pairs of rows, over their own standard error."""
    matrix = np.corrcoef(rows)
    upper = np.triu_indices(len(rows), 1)
    return np.asarray(matrix)[upper] * math.sqrt(rows.shape[1])


def assert_uncorrelated(rows: NDArray[np.float64]) -> None:
    for power in (rows, rows**2):
        scaled = correlations(power)
        assert abs(scaled).max() < 5.5
        assert abs((scaled**2).mean() - 1) < 6 * math.sqrt(2 / scaled.size)


def test_paths_are_uncorrelated() -> None:
    assert_uncorrelated(np.concatenate(normals(steps=1000)).T)


def test_steps_and_the_two_normals_of_a_step_are_uncorrelated() -> None:
    blocks = [normals(first_path=LANES * block, steps=40) for block in range(30)]
    assert_uncorrelated(np.concatenate(blocks, axis=2).reshape(80, -1))


def test_trades_are_uncorrelated() -> None:
    neighbours = [*range(40), *(2**n for n in range(6, 53))]
    assert_uncorrelated(np.array([normals(trade=n, steps=20).ravel() for n in neighbours]))


def test_seeds_are_uncorrelated() -> None:
    neighbours = [*range(40), *(2**n for n in range(6, 64))]
    assert_uncorrelated(np.array([normals(seed=n, steps=20).ravel() for n in neighbours]))


def test_seed_and_trade_are_not_interchangeable() -> None:
    assert_uncorrelated(np.array([normals(n, 10 - n, steps=50).ravel() for n in range(11)]))
