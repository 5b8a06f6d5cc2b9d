"""The benchmark runs, from end to end, with few trades. No figure is compared with a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest

from loadtest.figures import FIGURES
from tests.waiting import eventually, gone

BENCH = (sys.executable, "-m", "loadtest", "bench")
SMALL = ("--trades", "2000", "--runs", "2", "--peer-tasks", "300")
CORES = str(min(2, os.cpu_count() or 1))


@pytest.mark.timeout(300)  # Kernels may have to be compiled first.
def test_measures_every_figure_and_the_peer() -> None:
    done = subprocess.run(
        [*BENCH, *SMALL, "--cores", CORES, "--json"], capture_output=True, timeout=290
    )
    assert done.returncode == 0, done.stderr.decode()
    report = orjson.loads(done.stdout)
    figures = report["figures"]
    assert list(figures) == [figure.key for figure in FIGURES]
    for figure in figures.values():
        assert len(figure["runs"]) == 2
        assert min(figure["runs"]) == figure["min"] <= figure["median"] <= figure["max"]
        assert (figure["met"] is None) == (figure["target"] is None)
    # What cannot be true of a benchmark that did its work, on however busy a machine.
    assert 10 < figures["peer_rate"]["median"] < 100_000
    assert figures["peer_ratio"]["runs"] == pytest.approx(
        [
            ours / peer
            for ours, peer in zip(
                figures["stream_rate"]["runs"], figures["peer_rate"]["runs"], strict=True
            )
        ]
    )
    assert 100 < figures["redis_bytes_trade"]["min"] < figures["redis_bytes_synthetic"]["min"]
    assert figures["redis_bytes_pvonly"]["min"] < figures["redis_bytes_deltavega"]["min"]
    assert figures["greeks_ratio"]["min"] > 1
    assert figures["first_price_seconds"]["min"] > 0
    assert report["settings"] == {"trades": 2000, "runs": 2, "peer_tasks": 300}
    assert b"run 2 of 2: taskiq-redis, 300 tasks" in done.stderr


@pytest.mark.timeout(120)
def test_prints_targets_for_people() -> None:
    command = [*BENCH, "--trades", "500", "--runs", "1", "--peer-tasks", "100", "--cores", CORES]
    done = subprocess.run(command, capture_output=True, timeout=110, text=True)
    assert done.returncode == 0, done.stderr
    assert "make and inject 500 trades" in done.stdout
    assert "how many times taskiq-redis" in done.stdout
    assert "to reach" in done.stdout


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    log = tmp_path / "err"
    with open(log, "wb") as err:
        bench = subprocess.Popen(
            [*BENCH, "--trades", "200000", "--runs", "1", "--cores", CORES], stderr=err
        )
    try:
        children = eventually(lambda: _with_consumer(bench.pid), 60, "a consumer")
        bench.send_signal(signal.SIGINT)
        assert bench.wait(30) == 130, log.read_text()
    finally:
        bench.kill()
        bench.wait()
    for pid in children:
        eventually(lambda pid=pid: gone(pid), 10, f"end of process {pid}")  # type: ignore[misc]


def _with_consumer(pid: int) -> list[int]:
    """The process's children, once a consumer is among them."""
    found = psutil.Process(pid).children(recursive=True)
    lines = [" ".join(child.cmdline()) for child in found if not gone(child.pid)]
    return [child.pid for child in found] if any("-m consumer" in line for line in lines) else []


def test_more_cores_than_there_are_is_wrong_usage() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot confine a process to cores")
    done = subprocess.run([*BENCH, "--cores", "100000"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--cores 100000" in done.stderr
