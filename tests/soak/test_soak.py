"""Chaos for as long as SOAK_SECONDS says; run by ``make soak``.

One random schedule after another, each on a ground of its own, and beside them all the while one
long run that spares a consumer, whose memory must stay flat. SOAK_SEED=N begins with the schedule
of that seed.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest.chaos.plan import GROUNDS, usual_kinds
from loadtest.chaos.tls import PROGRAMS

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))

SCHEDULE = 120.0
"""Seconds of each schedule; what comes before and after takes half a minute more."""

AROUND = 90.0
"""Seconds that the long run takes before and after its schedule."""

CHAOS = (sys.executable, "-m", "loadtest", "chaos", "--realtime")


def drawn(seed: int) -> list[str]:
    """Ground, kinds and sizes of a schedule, by its seed; half of the time all kinds."""
    chance = random.Random(f"soak {seed}")
    has_tls = all(map(shutil.which, PROGRAMS))
    ground = chance.choice([g for g in (*GROUNDS, "single") if has_tls or g != "tls"])
    kinds = usual_kinds(GROUNDS[ground], versions=False)
    if chance.random() < 0.5:
        some = chance.sample(kinds, chance.randint(3, min(8, len(kinds))))
        kinds = [kind for kind in kinds if kind in some]
    options = {
        "--seed": seed,
        "--ground": ground,
        "--kinds": ",".join(kinds),
        "--partitions": chance.choice([1, 1, 3, 6]) if ground != "cluster" else 6,
        "--consumers": chance.randint(3, 5),
        "--every": chance.choice([0.5, 1.0, 2.0]),
        "--trades": chance.choice([10_000, 50_000]),
    }
    return [str(word) for option in options.items() for word in option]


@contextmanager
def long_run(seed: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """All kinds of fault, and a consumer that is spared, for almost as long as all lasts."""
    lasts = max(SECONDS - AROUND, 30.0)
    options = ("--steady", "--seed", str(seed), "--seconds", f"{lasts:.0f}", "--every", "5")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*CHAOS, *options, "--trades", "200000"], stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.mark.soak
def test_schedule_after_schedule(tmp_path: Path) -> None:
    """G1 to G9: none leaves anything to be found; a seed that does is shown with its command."""
    seed = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))
    end, log = time.monotonic() + SECONDS, tmp_path / "long"
    with long_run(seed, log) as steady:
        while time.monotonic() < end:
            lasts = max(min(SCHEDULE, end - time.monotonic()), 10.0)
            done = subprocess.run([*CHAOS, *drawn(seed), "--seconds", f"{lasts:.0f}"], check=False)
            assert done.returncode == 0, f"seed {seed}: see above for the command that repeats it"
            seed += 1
        code = steady.wait()
    sys.stdout.write(log.read_text("utf-8", "replace"))
    assert code == 0, "the long run: see above"
