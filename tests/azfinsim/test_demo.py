"""The demo, run as a user does."""

import gzip
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from azfinsim.demo_pace import affordable
from tests.waiting import eventually, gone

DEMO = (sys.executable, "-m", "azfinsim", "demo")


def finished(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a demo to its end; its exit code and report."""
    run = subprocess.run(
        [*DEMO, "--dir", str(folder), "--json", *options], capture_output=True, timeout=100
    )
    assert b"Traceback" not in run.stderr
    [report] = run.stdout.splitlines()
    return run.returncode, orjson.loads(report)


def test_every_trade_is_accounted_for(tmp_path: Path) -> None:
    """G1: by the exit code, the report and the file of results."""
    code, report = finished(tmp_path, "--trades", "2500", "--consumers", "2", "--paths", "50")
    assert code == 0
    assert (report["state"], report["submitted"], report["priced"]) == ("done", 2500, 2500)
    with gzip.open(report["results"]) as lines:
        records = [orjson.loads(line) for line in lines]
    assert [record["id"] for record in records] == list(range(2500))
    assert report["pv_total"] == pytest.approx(sum(record["pv"] for record in records))
    assert {path.name for path in Path(report["logs"]).iterdir()} == {
        *("consumer-1.log", "consumer-2.log", "server.log")
    }


def test_a_trade_that_fails_makes_it_fall_short(tmp_path: Path) -> None:
    options = ("--algorithm", "synthetic", "--failure", "0.1", "--consumers", "1")
    code, report = finished(tmp_path, "--trades", "1000", *options)
    assert code == 1
    assert report["rejected"] > 0
    assert report["priced"] + report["rejected"] == 1000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_it_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    started, family = _in_full_swing(tmp_path)
    started.send_signal(number)
    _, errors = started.communicate(timeout=30)
    for process in family:
        eventually(lambda pid=process.pid: gone(pid), 20, f"the end of {process}")  # type: ignore[misc]
    if number is signal.SIGINT:
        assert started.returncode == 130
        assert b"Traceback" not in errors
        assert b"--keep" in errors


def test_kept_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    started, _ = _in_full_swing(tmp_path, "--keep")
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=30)
    assert b"goes on" in errors
    code, report = finished(tmp_path, "--trades", "1000", "--keep", "--consumers", "2")
    assert code == 0
    assert report["priced"] == 1000


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = subprocess.run(
        [*DEMO, "--dir", str(tmp_path / "file" / "demo")], capture_output=True, timeout=30
    )
    assert run.returncode == 2
    assert b"cannot be made" in run.stderr


@pytest.mark.parametrize(
    ("seconds_per_path", "trades", "cores", "paths"),
    [
        (1e-6, 1_000_000, 2, 200),
        (4e-7, 1_000_000, 2, 500),
        (4e-7, 1_000, 2, 10_000),  # no more than the trades ask for themselves
        (1e-3, 1_000_000, 1, 100),  # no fewer than make a standard error
    ],
)
def test_paths_are_as_many_as_there_is_time_for(
    seconds_per_path: float, trades: int, cores: int, paths: int
) -> None:
    assert affordable(seconds_per_path, trades, cores) == paths


def _in_full_swing(
    folder: Path, *options: str
) -> tuple["subprocess.Popen[bytes]", Sequence[psutil.Process]]:
    """A demo that is pricing slowly, and all its processes."""
    asked = ("--trades", "1000", "--algorithm", "synthetic", "--task-duration", "8")
    started = subprocess.Popen(
        [*DEMO, "--dir", str(folder), "--consumers", "2", *asked, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    logs = [folder / "logs" / f"consumer-{number}.log" for number in (1, 2)]
    eventually(
        lambda: all(log.exists() and "serving" in log.read_text() for log in logs),
        30,
        "consumers that serve",
    )
    return started, psutil.Process(started.pid).children(recursive=True)
