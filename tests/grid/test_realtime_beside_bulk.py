"""Realtime at a steady rate beside a bulk job that fills every slot (G9), by the real client."""

import signal
import time

import anyio
import pytest

from engine.job import Job
from loadtest.latency import Latency
from loadtest.open_loop import offer
from loadtest.schedule import constant
from producer.client import Client, connect
from tests.processes import Field, synthetic
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)

RATE, SECONDS = 50.0, 10.0

LANES = ("--lane", "realtime,high,bulk")

CHUNK = 0.3
"""Seconds that a bulk slot is busy with one chunk."""


def busy(field: Field) -> Job:
    """A bulk job that has every slot of two in the midst of a chunk for longer than we measure."""
    field.fill(8000)
    job = field.submit(synthetic("bulk", CHUNK * 10, chunk=100))
    eventually(lambda: field.ended(job), what="a job in full swing")
    return job


async def price_steadily(client: Client) -> Latency:
    """Price 500 trades at 50 a second; whatever is not priced raises."""
    latency = Latency()

    async def request(number: int, plan: float) -> None:
        await client.price({"id": number, "spot": 1}, algorithm="tests.pricers:plain", deadline=5.0)
        latency.record(time.perf_counter() - plan)

    await offer(constant(RATE, SECONDS), request)
    return latency


def test_none_waits_for_a_chunk(field: Field) -> None:
    """From when each was planned; `make bench` tells how little it is on a quiet machine."""
    field.serve(*LANES, "--slots", "2")
    job = busy(field)

    async def run() -> Latency:
        async with connect(field.url) as client:
            return await price_steadily(client)

    latency = anyio.run(run, backend_options={"use_uvloop": True})
    assert field.ended(job) < 8000, "there was no bulk beside it"
    assert len(latency) == RATE * SECONDS
    assert latency.percentile(50) < CHUNK / 6
    assert latency.percentile(99) < CHUNK
    assert field.done(job, 60).well


def test_none_is_lost_with_a_consumer(field: Field) -> None:
    """G1, G4: one of two is killed in the midst of it; all are priced before their deadline."""
    first, _ = field.serve(*LANES, "--slots", "1", "--lease", "1", count=2)
    job = busy(field)

    async def run() -> Latency:
        async with connect(field.url) as client, anyio.create_task_group() as group:

            async def strike() -> None:
                await anyio.sleep(SECONDS / 2)
                first.send(signal.SIGKILL)

            group.start_soon(strike)
            latency = await price_steadily(client)
        return latency

    latency = anyio.run(run, backend_options={"use_uvloop": True})
    assert field.ended(job) < 8000, "there was no bulk beside it"
    assert len(latency) == RATE * SECONDS
    assert first.process.poll() == -signal.SIGKILL
    assert field.done(job, 90).well
