"""How long a process waits for its kernels: compiled anew, and loaded from the cache on disk."""

import os
import subprocess
import sys
import tempfile
import time

from engine.pricing.pricer import Request
from engine.pricing.registry import find
from loadtest.figures import Measured
from loadtest.kernel_bench import generated
from loadtest.processes import ProcessFailed

PATIENCE = 120.0
"""Seconds."""


def measure_compiling(measured: Measured, algorithm: str) -> None:
    """One run: a cache of its own, and a fresh process for each first price.

    Raises ProcessFailed if one of them fails.
    """
    with tempfile.TemporaryDirectory(prefix="azfinsim-bench-") as cache:
        for what in ("compile", "load"):
            measured.add(f"{what}_{algorithm}_seconds", _in_a_process(algorithm, cache))


def _in_a_process(algorithm: str, cache: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", __name__, algorithm],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise ProcessFailed(f"the first price of {algorithm} failed: {done.stderr[-1000:]}")
    return float(done.stdout)


def first_price_seconds(algorithm: str) -> float:
    """What the first price of this process takes, all modules having been imported."""
    pricer, batch = find(algorithm), generated(1)
    began = time.perf_counter()
    pricer.price(batch, Request(paths=1))
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(f"{first_price_seconds(sys.argv[1])}\n")
