"""The synthetic pricer: takes time and memory as told."""

import signal
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.pricing.pricer import Batch, Request
from engine.pricing.synthetic import MEGABYTE, pricer
from tests.processes import ROOT
from tests.waiting import eventually


def price(trades: int, **options: Any) -> None:
    assert pricer.price(Batch(np.arange(trades), {}), Request(options=options)) == {}


def test_no_time_is_none_at_all() -> None:
    began = time.thread_time()
    price(1_000_000, task_duration=0)
    price(1_000_000)
    assert time.thread_time() - began < 0.05


def test_it_burns_processor_time_by_trade() -> None:
    began = time.thread_time()
    price(3, task_duration=20.0)
    assert 0.06 <= time.thread_time() - began < 0.12


def test_it_holds_memory_while_it_prices() -> None:
    tracemalloc.start()
    try:
        price(1, mem_usage=8)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 8 * MEGABYTE <= peak < 9 * MEGABYTE
    assert now < MEGABYTE


@pytest.mark.parametrize("name", ["task_duration", "mem_usage"])
@pytest.mark.parametrize("value", [-1, "5", None, True, float("nan"), [1]])
def test_what_is_no_amount_is_refused(name: str, value: object) -> None:
    """Each trade of such a job is rejected with these words."""
    with pytest.raises(ValueError, match=f"{name} is .*: must be a number of at least 0"):
        price(1, **{name: value})


BURNING = """
import sys, time
import numpy as np
from engine.pricing.pricer import Batch, Request
from engine.pricing.synthetic import pricer
batch, request = Batch(np.arange(1), {}), Request(options={"task_duration": 300.0})
print("begins", flush=True)
began = time.thread_time()
pricer.price(batch, request)
print(time.thread_time() - began)
"""


def test_time_in_which_it_does_not_run_does_not_count() -> None:
    """A core that is shared does as much work, later: throughput is then that of a real pricer."""
    program = [sys.executable, "-c", BURNING]
    with subprocess.Popen(program, stdout=subprocess.PIPE, cwd=ROOT) as burning:
        assert burning.stdout is not None
        assert burning.stdout.readline() == b"begins\n"
        burning.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        # Longer than it is to burn.
        eventually(lambda: time.monotonic() - stopped > 0.4, what="time to pass")
        burning.send_signal(signal.SIGCONT)
        assert float(burning.stdout.read()) >= 0.3
