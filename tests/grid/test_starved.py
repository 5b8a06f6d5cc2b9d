"""A machine that lacks what a slot's process takes: work is left to others, or waits."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.job import Job
from tests.callers import Caller, trades
from tests.processes import Consumer, Field
from tests.waiting import eventually

resource = pytest.importorskip("resource", reason="this system bounds no process's open files")
if not hasattr(resource, "prlimit"):
    pytest.skip("only Linux bounds another process's open files", allow_module_level=True)


@contextmanager
def without_files(consumer: Consumer) -> Iterator[None]:
    """While the body runs, it cannot open one file more."""
    before = resource.prlimit(consumer.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(consumer.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(consumer.pid, resource.RLIMIT_NOFILE, before)


def begun(field: Field) -> Consumer:
    """A consumer that has opened all that it needs but for a process."""
    field.fill(100)
    [consumer] = field.serve("--slots", "1")
    assert field.done(field.submit(Job("before", "tests.pricers:plain"))).well
    Caller(field).price(trades(1), "tests.pricers:plain")
    return consumer


def in_vain(consumer: Consumer) -> None:
    """Wait until it has tried several times."""
    eventually(lambda: len(consumer.events("left to others")) >= 3, what="attempts in vain")


def test_a_chunk_waits_for_a_process_or_goes_elsewhere(field: Field) -> None:
    """G1, G4, G5: the consumer lives, and no trade has used up an attempt."""
    poor = begun(field)
    with without_files(poor):
        job = field.submit(Job("apart", "tests.pricers:plain", trade_timeout=30.0))
        in_vain(poor)
        assert field.ended(job) == 0
    assert field.done(job).well
    assert {record["attempts"] for record in field.records(job)} == {1}
    assert poor.end() == 0


def test_a_call_waits_for_a_process_or_goes_elsewhere(field: Field) -> None:
    """G1, G4, G5: likewise."""
    poor = begun(field)
    caller = Caller(field)
    with without_files(poor):
        [name] = caller.send(trades(1), "tests.pricers:slow", options={"seconds": 0})
        in_vain(poor)
        assert caller.replies() == []
    record = caller.answered()[name].record
    assert (record["outcome"], record["attempts"]) == ("priced", 1)
    assert poor.end() == 0
