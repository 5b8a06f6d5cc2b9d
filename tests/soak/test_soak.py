"""Consumers killed, frozen and told to leave at random, job after job; run by ``make soak``."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from engine.job import Job
from tests.processes import Consumer, Field, prices
from tests.waiting import eventually

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))

TRADES = 20_000

OPTIONS = ("--slots", "1", "--lease", "1")


@pytest.mark.soak
def test_job_after_job_under_random_faults(field: Field) -> None:
    """G1 to G4, G6, G7: each job's counts and results are those of an undisturbed run."""
    seed = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))
    field.fill(TRADES)
    field.serve(*OPTIONS, count=3)
    calm = field.submit(Job("calm", "pvonly", paths=200))
    assert field.done(calm, 120).well
    expected = prices(field.records(calm))
    chance = random.Random(seed)
    end = time.monotonic() + SECONDS
    jobs = strikes = 0
    while time.monotonic() < end:
        job = Job(f"soak-{jobs}", "pvonly", paths=200, chunk=chance.choice([7, 50, 100, 450]))
        field.submit(job)
        while field.ended(job) < TRADES and time.monotonic() < end + 120:
            _strike(field, chance)
            strikes += 1
        assert field.done(job, 120).well, f"SOAK_SEED={seed}"
        assert prices(field.records(job)) == expected, f"SOAK_SEED={seed}"
        jobs += 1
    assert jobs
    assert strikes


def _strike(field: Field, chance: random.Random) -> None:
    """Do something to one consumer, and see to it that three live."""
    victim = chance.choice([c for c in field.consumers if c.process.poll() is None])
    chance.choice(FAULTS)(field, victim)
    living = sum(c.process.poll() is None for c in field.consumers)
    field.serve(*OPTIONS, count=3 - living)


def _kill(field: Field, victim: Consumer) -> None:
    victim.process.kill()
    victim.process.wait()


def _dismiss(field: Field, victim: Consumer) -> None:
    assert victim.end(signal.SIGTERM, within=30) == 0


def _freeze(field: Field, victim: Consumer) -> None:
    """Stop it until what it held is somebody else's, and let it go on."""
    name = victim.serving()
    victim.send(signal.SIGSTOP)
    eventually(lambda: not field.pending(name), 30, "its entries taken over")
    victim.send(signal.SIGCONT)


FAULTS: list[Callable[[Field, Consumer], None]] = [_kill, _dismiss, _freeze]
