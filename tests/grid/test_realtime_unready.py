"""Realtime calls whose pricer takes long to be there: each is told at its own deadline (G9)."""

import time
from pathlib import Path

import pytest

from tests.callers import REALTIME, Caller
from tests.processes import Field
from tests.waiting import eventually

SLOW = """
import sys, time
if {where}:
    time.sleep({seconds})
from tests.pricers import gil, plain
"""
"""A module that takes its time to be imported, as those do that load curves or compile."""

IN_PROCESS = 'sys.argv[0].endswith("slot_child.py")'


def module(folder: Path, where: str, seconds: float) -> Path:
    """The folder of a consumer, with such a module."""
    home = folder / "home"
    home.mkdir()
    (home / "house_slow.py").write_text(SLOW.format(where=where, seconds=seconds))
    return home


@pytest.mark.parametrize(("where", "pricer"), [("True", "plain"), (IN_PROCESS, "gil")])
def test_who_waits_for_a_pricer_is_told_at_the_deadline(
    field: Field, tmp_path: Path, where: str, pricer: str
) -> None:
    """Imported by the consumer, or once more by a process of its slot."""
    home = module(tmp_path, where, 3.0)
    field.start(*REALTIME, "--slots", "1", cwd=home).serving()
    caller, algorithm = Caller(field), f"house_slow:{pricer}"
    [hasty] = caller.send([{"id": 1, "spot": 1}], algorithm, deadline=0.3)
    [patient] = caller.send([{"id": 2, "spot": 1}], algorithm, deadline=30.0)
    began = time.monotonic()
    replies = caller.answered()
    waited = time.monotonic() - began
    assert replies[hasty].record["outcome"] == "expired"
    assert "its deadline passed 0." in replies[hasty].record["reason"]
    assert 300 <= replies[hasty].queued_ms < 1300
    # Nobody was answered twice, and who can wait has a price.
    assert replies[patient].record["outcome"] == "priced"
    assert waited > 1.0


def test_a_process_that_is_never_ready_is_not_the_deadlines_fault(
    field: Field, tmp_path: Path
) -> None:
    home = module(tmp_path, IN_PROCESS, 60.0)
    field.start(*REALTIME, "--slots", "1", "--warm-up", "0.2", cwd=home).serving()
    caller = Caller(field)
    [record] = caller.price([{"id": 1, "spot": 1}], "house_slow:gil", deadline=30.0)
    assert record["outcome"] == "dead"
    assert "the pricer was not ready within 0.2 s (--warm-up)" in record["reason"]


COMPILED = """
import time
from dataclasses import dataclass
from tests.pricers import Gil, Plain

@dataclass(frozen=True)
class Compiled(Gil):
    ready = []

    def price(self, batch, request):
        if not self.ready:
            time.sleep(3.0)
            self.ready.append(True)
        return Plain.price(self, batch, request)

pricer = Compiled()
"""
"""A pricer that takes its time when it prices for the first time in a process."""


def test_what_takes_longer_to_compile_than_a_call_may_wait_is_ready_for_a_later_one(
    field: Field, tmp_path: Path
) -> None:
    """G9: killed at each deadline, it would never be; and meanwhile the slot serves others."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "house_slow.py").write_text(COMPILED)
    consumer = field.start(*REALTIME, "--slots", "1", cwd=home)
    consumer.serving()
    caller = Caller(field)

    def outcome(algorithm: str, deadline: float) -> str:
        [record] = caller.price([{"id": 1, "spot": 1}], algorithm, deadline=deadline)
        return str(record["outcome"])

    assert outcome("house_slow:pricer", 1.0) == "expired"
    assert outcome("tests.pricers:gil", 20.0) == "priced"
    eventually(lambda: outcome("house_slow:pricer", 1.0) == "priced", 30.0, "a price in time")
    assert len(consumer.children()) == 1
