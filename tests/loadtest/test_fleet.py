"""A simulated fleet works as consumers do, but for the price."""

import random
import statistics
from pathlib import Path

import orjson
import pytest

from consumer.simulated import SPREAD, drawn
from engine.job import Job
from loadtest.fleet import measure as measuring
from loadtest.fleet.processes import Fleet, fleet
from loadtest.fleet.shape import Point, Shape
from loadtest.processes import ProcessFailed
from tests.processes import Field, field_at, synthetic
from tests.waiting import eventually

SHAPE = Shape(consumers=20, slots=10, chunk=7, price_ms=2, processes=2)


@pytest.fixture
def anyio_backend() -> str:
    """The clients of Redis know asyncio alone."""
    return "asyncio"


def serving(running: Fleet) -> bool:
    running.check()
    return all(any('"all serve"' in line for line in p.lines()) for p in running.processes)


def submitted(field: Field, job: Job, count: int = 5000) -> Job:
    field.fill(count)
    return field.submit(job)


def test_prices_every_trade_exactly_once(redis_url: str, tmp_path: Path) -> None:
    with field_at(redis_url, tmp_path) as field, fleet(redis_url, tmp_path, SHAPE) as running:
        eventually(lambda: serving(running), 30, "a fleet that serves")
        living = eventually(lambda: len(found := field.living()) == 20 and found, 10, "twenty")
        job = submitted(field, synthetic("simulated", SHAPE.price_ms, chunk=SHAPE.chunk))
        done = field.done(job)
        records = field.records(job)
        fared = eventually(lambda: len((f := running.fared(0, 1e12)).settle) and f, 10, "reports")
        assert field.backlog() == 0
    assert isinstance(living, list)
    assert sum(presence.slots for presence in living) == SHAPE.cores
    assert len({presence.pid for presence in living}) == SHAPE.processes
    assert done.counts.priced == 5000
    assert [record["id"] for record in records] == list(range(5000))
    assert {record["outcome"] for record in records} == {"priced"}
    assert not isinstance(fared, int)
    assert len(fared.lag) > 0
    assert fared.settle.percentile(50) > 0


def test_hands_back_what_it_holds_when_it_leaves(redis_url: str, tmp_path: Path) -> None:
    with field_at(redis_url, tmp_path) as field:
        with fleet(redis_url, tmp_path, SHAPE) as running:
            job = submitted(field, synthetic("slow", 60_000, chunk=10))
            eventually(lambda: serving(running), 30, "a fleet that serves")
            eventually(lambda: holding(field) >= SHAPE.cores, 20, "a fleet with its hands full")
        assert holding(field) == 0
        assert field.living() == []
        assert field.backlog() == 500
        assert field.ended(job) == 0


def holding(field: Field) -> int:
    return sum(len(field.pending(presence.name)) for presence in field.living())


def test_serves_no_job_that_wants_a_price(redis_url: str, tmp_path: Path) -> None:
    shape = Shape(consumers=2, slots=2, chunk=10, price_ms=1, processes=1)
    with field_at(redis_url, tmp_path) as field, fleet(redis_url, tmp_path, shape) as running:
        job = submitted(field, Job("real", "pvonly", chunk=10), 100)
        with pytest.raises(ProcessFailed, match="job real asks for pvonly"):
            eventually(lambda: running.check(), 30, "its end")
        assert field.ended(job) == 0


@pytest.mark.parametrize(("nodes", "partitions"), [(1, 2), (3, 4)])
async def test_measures_a_point(
    nodes: int, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of no account where no figure is used.
    monkeypatch.setattr(measuring, "BOOK", 20_000)
    monkeypatch.setattr(measuring, "WARM_UP", 0.5)
    shape = Shape(8, 5, 10, 5, partitions=partitions, nodes=nodes, processes=2)
    # Each process tells of itself once a second.
    point = await measuring.measure(shape, 2.2)
    assert len(point.redis_cpu) == nodes
    assert min(point.redis_cpu) > 0
    assert 0 < point.trades < 1.2 * shape.ideal
    assert point.held >= shape.cores / 2
    assert 100 < point.result_bytes < 150
    assert 150 < point.book["bytes"] < 250
    assert point.bytes_out > 10 * point.trades
    assert point.clients >= nodes * shape.consumers
    assert 0 < point.settle["p50"] <= point.settle["p99"] <= point.settle["max"]
    assert len(point.fleet_cpu) <= 2
    assert Point.from_json(orjson.loads(orjson.dumps(point))) == point


def test_a_chunk_takes_what_its_trades_take() -> None:
    random.seed(1)
    times = [drawn(0.05, 25) for _ in range(4000)]
    assert statistics.mean(times) == pytest.approx(25 * 0.05, rel=0.01)
    # Of independent trades: the spread of their sum grows with the root of their number.
    assert statistics.stdev(times) == pytest.approx(0.05 * SPREAD * 5, rel=0.05)
    assert drawn(0.0, 25) == 0.0
