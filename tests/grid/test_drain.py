"""Consumers that are told to leave (G5, G7)."""

import signal
import time
from pathlib import Path

import pytest
import redis

from engine.job import Job
from tests.conftest import FreshServer
from tests.processes import Consumer, Field, field_at, synthetic
from tests.waiting import eventually

SLEEPY = "tests.pricers:sleepy"


def sleepy(field: Field, seconds: float, chunk: int = 10) -> Job:
    return field.submit(Job("night", SLEEPY, chunk=chunk, options={"seconds": seconds}))


def busy(field: Field, *options: str, seconds: float) -> tuple[Consumer, Job]:
    """A consumer in the middle of a job of 30 entries, with some in hand."""
    field.fill(300)
    [consumer] = field.serve("--slots", "2", *options)
    job = sleepy(field, seconds)
    eventually(lambda: field.pending(consumer.serving()), what="entries in hand")
    return consumer, job


@pytest.mark.pain("taskiq-redis#129")
def test_what_waits_is_handed_back_before_what_is_priced_ends(field: Field) -> None:
    """G7: at once, while a slot is still at work."""
    field.fill(300)
    field.submit(synthetic("quick", chunk=1))
    [consumer] = field.serve("--slots", "1")
    eventually(lambda: not field.backlog(), what="a pace at which much is taken")
    job = sleepy(field, 2.0)
    eventually(lambda: len(field.pending(consumer.serving())) > 1, what="entries that wait")
    consumer.send(signal.SIGTERM)
    eventually(lambda: len(field.pending(consumer.serving())) <= 1, 1.5, "what waits handed back")
    assert consumer.process.poll() is None
    assert consumer.ended() == 0
    field.cancel(job)


@pytest.mark.pain("asynq#1015", "CromwellOnAzure#451")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(field: Field, number: signal.Signals) -> None:
    """G5, G7: what is being priced is finished, the rest handed back at once, at no attempt."""
    consumer, job = busy(field, seconds=0.1)
    eventually(lambda: field.ended(job), what="a job in the middle")
    assert consumer.end(number, within=2.0) == 0
    left = field.ended(job)
    assert left < 300
    assert field.pending(consumer.serving()) == []
    assert field.living() == []
    assert consumer.events("left")[0]["priced"] == left
    began = time.monotonic()
    field.serve("--slots", "4")
    assert field.done(job).well
    assert time.monotonic() - began < 8, "somebody waited for a lease of 10 s"
    assert {record["attempts"] for record in field.records(job)} == {1}


@pytest.mark.pain("batch-shipyard#218", "Azure/Batch#118", "Azure/Batch#151")
@pytest.mark.parametrize("algorithm", [SLEEPY, "tests.pricers:slow"])
def test_what_takes_too_long_is_handed_back(field: Field, algorithm: str) -> None:
    """G5, G7: a thread is abandoned, a process killed; others begin anew, at no attempt."""
    field.fill(20)
    [consumer] = field.serve("--slots", "2", "--drain", "0.3")
    job = field.submit(Job("night", algorithm, chunk=10, options={"seconds": 60.0}))
    eventually(lambda: len(field.pending(consumer.serving())) == 2, what="both slots busy")
    if algorithm != SLEEPY:
        eventually(lambda: len(consumer.children()) == 2, what="slot processes")
    assert consumer.end(within=3.0) == 0
    assert field.pending(consumer.serving()) == []
    assert field.backlog() == 2
    field.cancel(job)


def test_a_second_signal_ends_it_at_once(field: Field) -> None:
    """G7."""
    consumer, _ = busy(field, seconds=60.0)
    consumer.send(signal.SIGTERM)
    eventually(lambda: consumer.events("leaving"), what="a drain that has begun")
    assert consumer.end(within=2.0) == 130
    assert consumer.events("ended at once: what was held comes back after its lease")


@pytest.mark.pain("batch-shipyard#218", "Azure/Batch#118", "Azure/Batch#151")
def test_it_leaves_when_idle(field: Field) -> None:
    """Section 7: not before its work is done."""
    field.fill(100)
    consumer = field.start("--exit-when-idle", "0.5")
    consumer.serving()
    job = sleepy(field, 1.0, chunk=100)
    assert field.done(job).well
    assert consumer.ended(5.0) == 0
    assert consumer.events("leaving")[0]["reason"] == "idle"


def test_an_idle_consumer_waits_for_what_a_dead_one_holds(field: Field) -> None:
    """G1, G4: else nobody would be there when the lease lapses."""
    dead, job = busy(field, "--lease", "1.5", seconds=60.0)
    dead.end(signal.SIGKILL)
    heir = field.start("--exit-when-idle", "0.2", "--lease", "1.5", "--drain", "0.2")
    heir.serving()
    eventually(lambda: heir.events("took over entries of a consumer that is gone"), what="an heir")
    field.cancel(job)


def test_it_leaves_though_the_server_is_gone(fresh_server: FreshServer, tmp_path: Path) -> None:
    """G7: within the time to drain and a few seconds, without a traceback."""
    server = fresh_server(port=0)
    with field_at(server.url, tmp_path) as field:
        consumer, _ = busy(field, "--drain", "1", seconds=60.0)
        server.kill()
        assert consumer.end(within=1 + 6 + 2) == 0
        assert consumer.events("left")


def test_who_may_do_nothing_any_more_leaves_though_a_trade_never_ends(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    """A machine is not kept, and paid for, for a thread that nobody can stop."""
    server = fresh_server()
    with field_at(server.url, tmp_path) as field, redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser(
            "leaver", True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all"]
        )
        field.url = server.url.replace("://", "://leaver:secret@", 1)
        [consumer] = field.serve("--slots", "1", "--lane", "bulk", "--lease", "1")
        field.url = server.url
        field.fill(1)
        field.submit(synthetic("night", 600_000))
        eventually(lambda: [each.busy for each in field.living()] == [1], what="a trade priced")
        admin.acl_setuser("leaver", True, commands=["-@all"])
        assert consumer.ended() in (2, 3)
        assert "error: " in consumer.log
        assert "Traceback" not in consumer.log
