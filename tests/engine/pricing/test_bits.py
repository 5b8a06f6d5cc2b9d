"""The promise of the same bits (G3): for any batch, any thread, any processor."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import pytest
from llvmlite import binding  # type: ignore[import-untyped]  # It ships no types.

from engine.pricing import jit
from engine.pricing.pricer import Batch, Figures, Request
from engine.pricing.simulate import PIECE
from engine.pricing.warrant import DeltaVega, PvOnly, deltavega, pvonly
from tests.engine.pricing.reference import Terms, batch_of

T = TypeVar("T")
R = TypeVar("R")

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
TO_ACCURACY = Request(seed=99, paths=2000, accuracy=0.01)
BOTH = pytest.mark.parametrize("request_", [REQUEST, TO_ACCURACY], ids=["paths", "accuracy"])


def part(rows: slice) -> Batch:
    return Batch(BATCH.ids[rows], {name: column[rows] for name, column in BATCH.terms.items()})


def bits(figures: Figures) -> bytes:
    return b"".join(column.tobytes() for _, column in sorted(figures.items()))


def joined(parts: list[Figures]) -> Figures:
    return {name: np.concatenate([figures[name] for figures in parts]) for name in parts[0]}


@pytest.mark.pain("RocketPy#1053")
@BOTH
@pytest.mark.parametrize("size", [1, 3, 5])
def test_of_any_split_of_a_batch(size: int, request_: Request) -> None:
    parts = [part(slice(n, n + size)) for n in range(0, len(BATCH), size)]
    split = joined([deltavega.price(p, request_) for p in parts])
    assert bits(split) == bits(deltavega.price(BATCH, request_))


@BOTH
def test_of_any_order_of_a_batch(request_: Request) -> None:
    backwards = deltavega.price(part(slice(None, None, -1)), request_)
    restored = {name: column[::-1] for name, column in backwards.items()}
    assert bits(restored) == bits(deltavega.price(BATCH, request_))


@BOTH
def test_of_many_threads_at_once(request_: Request) -> None:
    alone = bits(deltavega.price(BATCH, request_))
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: deltavega.price(BATCH, request_), range(12)))
    assert {bits(run) for run in runs} == {alone}


def test_of_paths_run_at_once_or_in_several_looks() -> None:
    looked = pvonly.price(BATCH, TO_ACCURACY)
    assert len(set(looked["paths"])) > 2
    for n, paths in enumerate(looked["paths"].tolist()):
        at_once = pvonly.price(part(slice(n, n + 1)), Request(seed=99, paths=paths))
        assert bits(at_once) == bits({name: column[n : n + 1] for name, column in looked.items()})


@pytest.mark.parametrize("pricer", [pvonly, deltavega], ids=["pvonly", "deltavega"])
@pytest.mark.parametrize("accuracy", [None, 1e-4])
def test_of_pieces_run_at_once_in_any_order(
    pricer: PvOnly | DeltaVega, accuracy: float | None
) -> None:
    request = Request(seed=99, paths=3 * PIECE + 77, accuracy=accuracy)
    whole = bits(pricer.price(BATCH, request))

    def backwards(function: Callable[[T], R], items: Iterable[T], /) -> list[R]:
        asked.append(given := list(items))
        return [function(item) for item in reversed(given)][::-1]

    asked: list[list[Any]] = []
    assert bits(pricer.divided(backwards).price(BATCH, request)) == whole
    assert max(map(len, asked)) > 1
    with ThreadPoolExecutor(4) as threads:
        assert bits(pricer.divided(threads.map).price(BATCH, request)) == whole


def test_of_columns_that_are_read_only() -> None:
    for column in BATCH.terms.values():
        column.setflags(write=False)
    before = bits(deltavega.price(BATCH, REQUEST))
    assert before == bits(deltavega.price(part(slice(None)), REQUEST))


def test_of_another_seed_or_trade_differ() -> None:
    other_seed = deltavega.price(BATCH, Request(seed=100))
    high_seed = deltavega.price(BATCH, Request(seed=99 + 2**63))
    other_trade = deltavega.price(batch_of(*TRADES), REQUEST)
    priced = (deltavega.price(BATCH, REQUEST), other_seed, high_seed, other_trade)
    assert len({figures["pv"][0] for figures in priced}) == 4


NAMES = ("pv", "se", "delta", "delta_se", "vega", "vega_se")
GOLDEN = {
    0: [
        "0x1.b0aa359f5effep+21",
        "0x1.31cff93e2407bp+9",
        "0x1.87ac28f6e9914p+25",
        "0x1.008a77e98d9f3p+16",
        "-0x1.39e7412d02c79p+20",
        "0x1.dd893d985c3d3p+15",
    ],
    2: [
        "0x1.b7b0642e7e0b1p+21",
        "0x1.346d6b37c46ebp+17",
        "0x1.290635b13a8e8p+25",
        "0x1.f5328b5fb5846p+20",
        "-0x1.625b55c2e88eep+23",
        "0x1.753d3a7e9420fp+20",
    ],
    7: [
        "0x1.8cd4a74d7b0d0p+21",
        "0x1.c8e2da89b5e61p+14",
        "0x1.572da7a6994c0p+25",
        "0x1.0d44754089602p+19",
        "-0x1.9edef19231b24p+20",
        "0x1.493f4fdd61150p+17",
    ],
}


def test_are_those_of_this_version() -> None:
    figures = deltavega.price(BATCH, REQUEST)
    for row, expected in GOLDEN.items():
        found = [float(figures[name][row]).hex() for name in NAMES]
        assert found == expected, "bits changed: bump the version of the pricers"


PROGRAM = """
import sys
from engine.pricing.simulate import PIECE
from engine.pricing.warrant import DeltaVega, PvOnly, deltavega, pvonly
from tests.engine.pricing.test_bits import BATCH, REQUEST, TO_ACCURACY, bits
for request in (REQUEST, TO_ACCURACY):
    sys.stdout.write(bits(deltavega.price(BATCH, request)).hex())
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
    here = [bits(deltavega.price(BATCH, request)).hex() for request in (REQUEST, TO_ACCURACY)]
    assert run.stdout == "".join(here)
    # And the machine code went where it was told to, under the name of that processor.
    assert list(tmp_path.rglob("greeks._add_greeks-*.nbc"))


def test_of_processes_that_compile_at_the_same_time(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    program = PROGRAM.replace("deltavega", "pvonly")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    outputs = {process.communicate()[0].decode() for process in processes}
    here = [bits(pvonly.price(BATCH, request)).hex() for request in (REQUEST, TO_ACCURACY)]
    assert outputs == {"".join(here)}
    # They left one kernel, which the next one loads: nothing is half written or left over.
    assert len(list(tmp_path.rglob("*.nbc"))) == 1
    assert not list(tmp_path.rglob("*.tmp*"))


def test_kernels_work_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")

    @jit.compiled
    def twice(x: float) -> float:
        return x + x

    assert twice(2.0) == 4.0
