"""The peers of the pricers price the same product, and the quadrature knows what it is worth."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

from loadtest import kernel_bench, numpy_peer, older_peer
from loadtest.accuracy_bench import Sizes, measure_accuracy
from loadtest.compile_bench import measure_compiling
from loadtest.figures import Measured
from loadtest.quadrature import truth

REFERENCE_PRICES = Path(__file__).parents[1] / "data" / "reference-prices.ndjson"

TRADES = [orjson.loads(line) for line in REFERENCE_PRICES.read_bytes().splitlines()]

PATHS = 4_000


def test_quadrature_agrees_with_the_reference_prices() -> None:
    for trade in TRADES:
        assert truth(trade).pv == pytest.approx(trade["reference"]["pv"], rel=1e-9)


@pytest.mark.parametrize("row", [0, 2, 12])
def test_numpy_and_the_older_algorithm_price_the_trade(row: int) -> None:
    true = truth(TRADES[row])
    error = true.deviation / PATHS**0.5
    np.random.seed(row)
    assert abs(older_peer.price(TRADES[row], PATHS) - true.pv) < 4 * error
    pv, se = numpy_peer.price(TRADES[row], PATHS, seed=row)
    assert abs(pv - true.pv) < 4 * error
    assert se == pytest.approx(error, rel=0.15)


def test_quantlib_prices_its_own_product() -> None:
    """Far above the barrier its call is worth spot - strike e^-rT, without dividing by the spot."""
    quantlib_peer = pytest.importorskip("loadtest.quantlib_peer", reason="QuantLib is missing")
    terms = TRADES[13]  # 7.6 standard deviations above its barrier
    value, error = quantlib_peer.price(terms, PATHS, seed=1)
    discount = np.exp(-terms["drift"] * terms["maturity"])
    assert 0 < error < 0.001
    assert abs(value - (terms["spot"] - terms["strike"] * discount)) < 4 * error


def test_each_peer_is_compared_with_ours() -> None:
    measured = Measured(1, 1)
    kernel_bench.measure_prices(measured, paths=50)
    names = [name for name in ("older", "numpy", "quantlib") if f"{name}_ms" in measured.values]
    assert names == ["older", "numpy", *(["quantlib"] if kernel_bench.with_quantlib() else [])]
    values = {key: runs[0] for key, runs in measured.values.items()}
    for name in names:
        assert values[f"{name}_ratio"] == pytest.approx(values[f"{name}_ms"] / values["pv_ms"])
    assert values["greeks_ratio"] == pytest.approx(values["greeks_ms"] / values["pv_ms"])


def test_accuracy_is_measured_against_plain_paths_and_the_truth() -> None:
    measured = Measured(1, 1)
    measure_accuracy(measured, seed=1, sizes=Sizes(trades=50, checked=10, covered=4, seeds=200))
    values = {key: runs[0] for key, runs in measured.values.items()}
    assert values["accurate_se_median"] < values["accurate_se_max"] <= 0.001
    assert values["accurate_to_plain"] <= 1
    assert values["accurate_us"] > 0
    # Of 800 intervals; their standard error is 0.8.
    assert 91 < values["coverage_accurate"] < 98
    assert 91 < values["coverage_fixed"] < 98


@pytest.mark.timeout(240)
def test_a_kernel_is_compiled_once() -> None:
    measured = Measured(1, 1)
    measure_compiling(measured, "pvonly")
    [compiled], [loaded] = (
        measured.values[f"{what}_pvonly_seconds"] for what in ("compile", "load")
    )
    assert 0 < loaded < compiled / 2


def test_the_command_tells_of_every_trade() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "accuracy", "--trades", "20", "--json"],
        capture_output=True,
        timeout=100,
        check=True,
    )
    report = orjson.loads(done.stdout)
    rows = report["figures"]
    assert len(rows) == 4
    for row in rows.values():
        assert list(row.values()) == sorted(row.values())
    assert rows["reached"]["most"] <= 0.001
    assert report["worse_than_plain"] == 0
