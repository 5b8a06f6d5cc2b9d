"""Machines that change under a consumer: cores that come and go, and Spot machines that go."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.callers import Caller
from tests.processes import Consumer, Field, synthetic
from tests.waiting import eventually

SOON = 20.0


def tell_cores(path: Path, cores: int) -> None:
    """Write what Hyper-V's daemon would, in one step."""
    beside = path.with_suffix(".new")
    beside.write_bytes(
        b"CurrentCoreCount".ljust(512, b"\0") + str(cores).encode().ljust(2048, b"\0")
    )
    beside.replace(path)


def slots_of(field: Field) -> int:
    return sum(presence.slots for presence in field.living())


def threads_at_work(field: Field, consumer: Consumer) -> int:
    """Entries that are priced now: of trades this long, what is pending is held by a slot each."""
    return len(field.pending(consumer.serving()))


def test_slots_follow_the_cores_and_every_trade_is_priced_once(
    field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = tmp_path / "kvp"
    tell_cores(pool, 1)
    monkeypatch.setenv("AZFINSIM_HARVEST_FILE", str(pool))
    # As many as the machine shows; this one has two at least.
    consumer = field.start("--lane", "realtime,bulk")
    consumer.serving()
    [change] = eventually(lambda: consumer.events("cores have changed"), SOON, "one slot")
    assert change["slots"] == 1
    field.fill(400)
    job = field.submit(synthetic("long", 20, chunk=5))
    eventually(lambda: field.ended(job) > 0, SOON, "work at one slot")
    assert slots_of(field) == 1
    # Each slot of realtime has a process of its own for these.
    caller, slow = Caller(field), {"options": {"seconds": 0.4}}
    calls = [{"id": n, "spot": 1} for n in range(40)]
    caller.send(calls, "tests.pricers:slow", deadline=120.0, **slow)
    eventually(lambda: len(consumer.children()) == 1, SOON, "realtime at one slot")
    tell_cores(pool, 2)
    eventually(lambda: slots_of(field) == 2, SOON, "a second slot")
    eventually(lambda: threads_at_work(field, consumer) >= 2, SOON, "both at work")
    eventually(lambda: len(consumer.children()) == 2, SOON, "realtime at both")
    # What a container may use of the machine's cores.
    os.sched_setaffinity(consumer.process.pid, {min(os.sched_getaffinity(0))})
    eventually(lambda: slots_of(field) == 1, SOON, "one slot again")
    eventually(lambda: len(consumer.children()) == 1, SOON, "realtime at one again")
    assert {r.record["outcome"] for r in caller.answered(60.0).values()} == {"priced"}
    progress = field.done(job)
    assert progress.counts.priced == 400
    assert {record["attempts"] for record in field.records(job)} == {1}
    assert consumer.end() == 0


def test_slots_that_are_told_stay(
    field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = tmp_path / "kvp"
    tell_cores(pool, 1)
    monkeypatch.setenv("AZFINSIM_HARVEST_FILE", str(pool))
    [consumer] = field.serve("--slots", "2", "--lane", "bulk")
    field.fill(100)
    field.done(field.submit(synthetic("some", 1)))
    assert slots_of(field) == 2
    assert not consumer.events("cores have changed")
    assert consumer.end() == 0


@dataclass
class Metadata:
    """A machine's metadata service."""

    url: str = ""
    name: str = "vmss_3"
    events: tuple[dict[str, Any], ...] = ()
    status: int = 200
    asked: int = 0


@contextmanager
def metadata() -> Iterator[Metadata]:
    """Serve a machine's metadata while the block runs."""
    state = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # As the service does, refuse what somebody was led to ask for.
            status = state.status if self.headers.get("Metadata") == "true" else 400
            if self.path.startswith("/metadata/instance/compute/name?"):
                data = state.name.encode()
            elif self.path.startswith("/metadata/scheduledevents?"):
                state.asked += 1
                told = {"DocumentIncarnation": state.asked, "Events": state.events}
                data = json.dumps(told).encode()
            else:
                status, data = 404, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


PREEMPT = {"EventType": "Preempt", "ResourceType": "VirtualMachine", "EventStatus": "Scheduled"}


def test_a_consumer_leaves_before_its_machine_is_taken_away(field: Field) -> None:
    field.fill(2000)
    with metadata() as service:
        [doomed] = field.serve("--slots", "1", "--metadata-url", service.url)
        job = field.submit(synthetic("long", 5, chunk=10))
        eventually(lambda: field.ended(job) > 0, SOON, "work")
        service.events = ({**PREEMPT, "Resources": ["vmss_2", "vmss_31"]},)
        seen = service.asked
        eventually(lambda: service.asked > seen + 1, SOON, "a look at what concerns others")
        assert doomed.process.poll() is None
        service.events = ({**PREEMPT, "Resources": ["vmss_3"], "NotBefore": ""},)
        assert doomed.ended(SOON) == 0
        assert doomed.events("leaving")[0]["reason"] == "eviction: Preempt, not before now"
    # At once: what it held is not waited for.
    assert not field.pending(doomed.serving())
    field.serve("--slots", "4")
    assert field.done(job).counts.priced == 2000
    assert {record["attempts"] for record in field.records(job)} == {1}


@pytest.mark.parametrize("status", [404, 500])
def test_a_metadata_service_that_fails_harms_nothing(field: Field, status: int) -> None:
    field.fill(100)
    with metadata() as service:
        service.status = status
        [consumer] = field.serve("--slots", "1", "--metadata-url", service.url)
        assert field.done(field.submit(synthetic("some"))).counts.priced == 100
        assert consumer.end() == 0


def test_log_lines_of_a_batch_task_say_where_it_is(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("POOL", "bulk"), ("JOB", "night"), ("TASK", "c-7"), ("NODE", "tvm_1")):
        monkeypatch.setenv(f"AZ_BATCH_{name}_ID", value)
    [consumer] = field.serve("--slots", "1")
    assert consumer.end() == 0
    where = {"pool": "bulk", "batch_job": "night", "task": "c-7", "node": "tvm_1"}
    assert all(line.items() >= where.items() for line in consumer.events())
    assert consumer.serving().startswith("c-7-")
