"""The benchmark's parts about faults run, from end to end. No figure is compared with a time."""

import os
import shutil
import subprocess
import sys
from typing import Any

import orjson
import pytest

CORES = str(min(2, os.cpu_count() or 1))


def figures(*options: str) -> dict[str, Any]:
    """What was measured in one run."""
    command = [sys.executable, "-m", "loadtest", "bench", "--runs", "1", "--cores", CORES, "--json"]
    done = subprocess.run([*command, *options], capture_output=True, timeout=170)
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = orjson.loads(done.stdout)
    return {key: figure["median"] for key, figure in report["figures"].items()}


@pytest.mark.timeout(180)
def test_what_kills_cost_beside_what_is_priced_undisturbed() -> None:
    found = figures("--only", "kills", "--kill-seconds", "3")
    assert len(found) == 6
    for key in ("kills_waiting", "kills_pricing"):
        assert found[f"{key}_percent"] == pytest.approx(
            100 * found[f"{key}_rate"] / found[f"{key}_calm_rate"]
        )
        assert 0 < found[f"{key}_rate"] < found[f"{key}_calm_rate"]


def test_what_a_sweep_costs_the_server() -> None:
    found = figures("--only", "sweep", "--pending", "3000")
    servers = ["sweep", "sweep_redis"] if shutil.which("redis-server") else ["sweep"]
    told = [f"{s}_{what}_us" for s in servers for what in ("good", "lapsed")]
    assert [key for key in found if "worst" not in key] == told
    for key in told:
        assert 0 < found[key] <= found[key.replace("_us", "_worst_us")]
