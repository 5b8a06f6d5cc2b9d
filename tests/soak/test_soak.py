"""Chaos, one random schedule after another, for as long as SOAK_SECONDS says; run by ``make soak``.

SOAK_SEED=N begins with the schedule of that seed.
"""

import os
import random
import subprocess
import sys
import time

import pytest

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))

SCHEDULE = 120.0
"""Seconds of each schedule; what comes before and after takes half a minute more."""


@pytest.mark.soak
def test_schedule_after_schedule() -> None:
    """G1 to G9: none leaves anything to be found; a seed that does is shown with its command."""
    seed = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        lasts = max(min(SCHEDULE, end - time.monotonic()), 10.0)
        command = [sys.executable, "-m", "loadtest", "chaos", "--realtime", "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--seconds", f"{lasts:.0f}", "--trades", "50000"], check=False
        )
        assert done.returncode == 0, f"seed {seed}: see above for the command that repeats it"
        seed += 1
