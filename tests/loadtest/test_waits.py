"""Whether a busy machine is told from what is measured on it."""

import os
import subprocess
import sys

import pytest

from loadtest.record import Series
from loadtest.waits import Waits, share_waited
from tests.waiting import eventually

SPIN = "import os; os.sched_setaffinity(0, {int(os.environ['CORE'])})\nwhile True: pass"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts how long a thread waits")
def test_two_who_share_a_core_wait_for_one_another() -> None:
    core = {"CORE": str(min(os.sched_getaffinity(0)))}
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN], env=core) for _ in range(2)]
    try:
        waits, pids = Waits(), [each.pid for each in spinning]
        assert waits.look([*pids, 0]) is None  # Nothing to compare with, and nobody.
        # Together they have one core at most, and want two.
        eventually(lambda: (waits.look(pids) or 0) > 0.7, 30, "waiting")
    finally:
        for each in spinning:
            each.kill()
            each.wait()


def test_the_share_is_of_the_time_for_which_cores_were_wanted() -> None:
    known = {"redis_cpu": [9.0, 0.5, 0.5], "generator_cpu": [9.0, 0.5, None]}
    series = Series(t=[0, 1, 2], **known, consumer_cpu=[None] * 3, waited=[9.0, 0.0, 0.5])  # type: ignore[arg-type]
    assert share_waited(series, 2) == pytest.approx(0.5 / 2)
    unknown = Series(t=[1], redis_cpu=[1.0], consumer_cpu=[1.0], generator_cpu=[1.0], waited=[None])
    assert share_waited(unknown, 1) is None
