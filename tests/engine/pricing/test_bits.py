"""The promise of the same bits (G3): for any batch, any thread, any processor."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
from llvmlite import binding  # type: ignore[import-untyped]  # It ships no types.

from engine.pricing import jit
from engine.pricing.pricer import Batch, Figures, Request
from engine.pricing.warrant import deltavega
from tests.engine.pricing.reference import Terms, batch_of

TRADES: list[Terms] = [
    {"paths": 300},
    {"spot": 0.8201, "paths": 1},
    {"vol_of_vol": 1.5, "rho": -0.8, "maturity": 2.0, "steps": 7, "paths": 129},
    {"spot": 0.81},
    {"vol": 0.0, "paths": 12},
    {"rho": 1.0, "vol_of_vol": 0.3, "steps": 1},
    {"drift": -0.4, "paths": 500, "steps": 3},
    {"vol": 0.6, "vol_of_vol": 0.6, "rho": 0.5},
]
BATCH = batch_of(*TRADES, first_id=2**40)
REQUEST = Request(seed=99)


def part(rows: slice) -> Batch:
    return Batch(BATCH.ids[rows], {name: column[rows] for name, column in BATCH.terms.items()})


def bits(figures: Figures) -> bytes:
    return b"".join(column.tobytes() for _, column in sorted(figures.items()))


def joined(parts: list[Figures]) -> Figures:
    return {name: np.concatenate([figures[name] for figures in parts]) for name in parts[0]}


@pytest.mark.parametrize("size", [1, 3, 5])
def test_of_any_split_of_a_batch(size: int) -> None:
    parts = [part(slice(n, n + size)) for n in range(0, len(BATCH), size)]
    split = joined([deltavega.price(p, REQUEST) for p in parts])
    assert bits(split) == bits(deltavega.price(BATCH, REQUEST))


def test_of_any_order_of_a_batch() -> None:
    backwards = deltavega.price(part(slice(None, None, -1)), REQUEST)
    restored = {name: column[::-1] for name, column in backwards.items()}
    assert bits(restored) == bits(deltavega.price(BATCH, REQUEST))


def test_of_many_threads_at_once() -> None:
    alone = bits(deltavega.price(BATCH, REQUEST))
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: deltavega.price(BATCH, REQUEST), range(12)))
    assert {bits(run) for run in runs} == {alone}


def test_of_columns_that_are_read_only() -> None:
    for column in BATCH.terms.values():
        column.setflags(write=False)
    before = bits(deltavega.price(BATCH, REQUEST))
    assert before == bits(deltavega.price(part(slice(None)), REQUEST))


def test_of_another_seed_or_trade_differ() -> None:
    other_seed = deltavega.price(BATCH, Request(seed=100))
    other_trade = deltavega.price(batch_of(*TRADES), REQUEST)
    assert len({figures["pv"][0] for figures in (other_seed, other_trade)}) == 2


PROGRAM = """
import sys
from engine.pricing.warrant import deltavega
from tests.engine.pricing.test_bits import BATCH, REQUEST, bits
sys.stdout.write(bits(deltavega.price(BATCH, REQUEST)).hex())
"""


@pytest.mark.parametrize(
    ("processor", "features", "needed"),
    [
        ("x86-64", "+sse2", "sse2"),
        ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2", "fma"),
        ("skylake-avx512", "+avx,+avx2,+fma,+avx512f,+avx512dq,+avx512bw,+avx512vl", "avx512vl"),
    ],
)
def test_of_any_processor(processor: str, features: str, needed: str, tmp_path: Path) -> None:
    if not binding.get_host_cpu_features().get(needed):
        pytest.skip(f"this processor has no {needed}")
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": features,
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == bits(deltavega.price(BATCH, REQUEST)).hex()
    # And the machine code went where it was told to, under the name of that processor.
    assert list(tmp_path.rglob("greeks.simulate_greeks-*.nbc"))


def test_kernels_work_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")

    @jit.compiled
    def twice(x: float) -> float:
        return x + x

    assert twice(2.0) == 4.0
