"""The demo, run as a user does."""

import gzip
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import psutil
import pytest

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


JOB_FIELDS = {
    *("job", "state", "submitted", "priced", "rejected", "dead", "expired", "cancelled"),
    *("in_flight", "seconds", "trades_per_second"),
}
"""Fixed by the design; the demo's own come with them."""


@pytest.mark.parametrize("algorithm", ["pvonly", "deltavega"])
def test_each_trade_takes_the_paths_that_its_accuracy_needs(tmp_path: Path, algorithm: str) -> None:
    asked = ("--accuracy", "0.002", "--algorithm", algorithm)
    code, report = finished(tmp_path, "--trades", "300", "--consumers", "2", *asked)
    assert code == 0
    assert report.keys() > JOB_FIELDS
    with gzip.open(report["results"]) as lines:
        records = [orjson.loads(line) for line in lines]
    paths = [record["paths"] for record in records]
    errors = [record["se"] / record["pv"] for record in records]
    assert max(errors) <= 0.002
    assert min(paths) < max(paths)
    assert (report["accuracy"], report["accuracy_missed"]) == (0.002, 0)
    assert report["paths_max"] == max(paths)
    assert report["paths_mean"] == pytest.approx(sum(paths) / 300, abs=0.1)
    assert report["se_relative_max"] == pytest.approx(max(errors), rel=0.005)
    assert report["se_relative_median"] == pytest.approx(median(errors), rel=0.005)
    assert report["elapsed"] > report["seconds"] >= report["first_seconds"] > 0


@pytest.mark.parametrize(
    ("asked", "accuracy", "most"),
    [((), 0.001, None), (("--paths", "64"), None, 64), (("--accuracy", "1e-6"), 1e-6, 64)],
)
def test_paths_alone_are_exact_and_with_accuracy_the_most(
    tmp_path: Path, asked: Sequence[str], accuracy: float | None, most: int | None
) -> None:
    if accuracy and most:
        asked = (*asked, "--paths", str(most))
    code, report = finished(tmp_path, "--trades", "200", "--consumers", "1", *asked)
    assert code == 0
    assert (report["accuracy"], report["paths"]) == (accuracy, most)
    if most is not None:
        assert report["paths_mean"] == report["paths_max"] == most
        assert report["accuracy_missed"] == (200 if accuracy else None)


def test_an_algorithm_without_paths_knows_no_accuracy(tmp_path: Path) -> None:
    code, report = finished(tmp_path, "--trades", "200", "--algorithm", "synthetic")
    assert code == 0
    own = ("accuracy", "accuracy_missed", "paths_mean", "paths_max", "se_relative_max")
    assert {report[name] for name in own} == {None}


def test_the_summary_tells_how_exact_it_is(tmp_path: Path) -> None:
    asked = ("--trades", "200", "--consumers", "1", "--accuracy", "1e-6", "--paths", "64")
    run = subprocess.run(
        [*DEMO, "--dir", str(tmp_path), *asked], capture_output=True, timeout=100, text=True
    )
    assert run.returncode == 0
    assert "200 trades, pvonly, accuracy 1e-06, paths at most 64, 1 consumer," in run.stderr
    assert "paths     64 in the mean, 64 at most" in run.stderr
    assert "1e-06 asked for" in run.stderr
    assert "200 trades had no more paths to get there" in run.stderr
    assert "s from start to summary" in run.stderr
    assert "s until the first price" in run.stderr


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
    assert 0 < report["earlier_seconds"] < report["seconds"]
    assert report["seconds"] - report["earlier_seconds"] < report["elapsed"]
    assert report["first_seconds"] is None


def test_two_at_once_do_not_write_over_each_other(tmp_path: Path) -> None:
    started, _ = _in_full_swing(tmp_path)
    second = subprocess.run([*DEMO, "--dir", str(tmp_path)], capture_output=True, text=True)
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=30)
    assert second.returncode == 2
    assert f"in use by another server: that of a demo, process {started.pid}" in second.stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = subprocess.run(
        [*DEMO, "--dir", str(tmp_path / "file" / "demo")], capture_output=True, timeout=30
    )
    assert run.returncode == 2
    assert b"cannot be made" in run.stderr


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
