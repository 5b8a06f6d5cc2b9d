"""The grid on Redis itself, new and old, and as a cluster of three; the embedded one is Valkey."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from azfinsim.top.look import Lookout
from azfinsim.top.sample import Sample
from engine.drop import drop
from engine.grid import Grid
from engine.job import Job, Lane
from tests.callers import REALTIME, Caller
from tests.processes import Field, field_at, prices, synthetic
from tests.redis_servers import Nodes, answers, needs_redis, oldest_redis, start
from tests.waiting import eventually

pytestmark = needs_redis

LEASE = ("--lease", "0.6", "--slots", "1")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Field]:
    """A grid on one Redis server."""
    with _field_on("redis-server", tmp_path) as field:
        yield field


@pytest.fixture
def oldest(tmp_path: Path) -> Iterator[Field]:
    """A grid on Redis 6.2."""
    with _field_on(oldest_redis(), tmp_path) as field:
        yield field


@contextmanager
def _field_on(program: str, folder: Path) -> Iterator[Field]:
    path = folder / "redis" / "socket"
    options = ("--port", "0", "--unixsocket", str(path))
    held = start(folder / "redis", *options, program=program)
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            eventually(lambda: answers(client.ping), what="a Redis server")
        with field_at(f"unix://{path}", folder) as field:
            yield field
    finally:
        held.stop(1.0)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """A Redis Cluster of three nodes."""
    made = Nodes(tmp_path)
    try:
        made.start()
        made.join()
        yield made
    finally:
        made.close()


@pytest.fixture
def cluster(nodes: Nodes, tmp_path: Path) -> Iterator[Field]:
    """A grid of six partitions on a Redis Cluster."""
    url = f"redis://127.0.0.1:{nodes.ports[0]}?cluster=true"
    with field_at(url, tmp_path, partitions=6) as field:
        yield field


@pytest.mark.pain("taskiq-redis#130", "taskiq-redis#97")
@pytest.mark.parametrize("grid", ["alone", "oldest", "cluster"])
def test_a_killed_consumer_changes_nothing(request: pytest.FixtureRequest, grid: str) -> None:
    """G1 to G4, with partitions spread over nodes."""
    field: Field = request.getfixturevalue(grid)
    trades = 6_000
    field.fill(trades)
    first, second = field.serve(*LEASE, count=2)
    calm = field.submit(Job("calm", "pvonly", paths=300))
    assert field.done(calm, 60).well

    disturbed = field.submit(Job("disturbed", "pvonly", paths=300, chunk=30))
    eventually(lambda: field.ended(disturbed) > trades // 10, 30, "a job in full swing")
    first.end(signal.SIGKILL)
    assert field.ended(disturbed) < trades, "it was killed too late to matter"
    assert field.done(disturbed, 60).well
    assert prices(field.records(disturbed)) == prices(field.records(calm))
    assert second.end() == 0
    assert [each.name for each in field.living()] in ([], [first.events("serving")[0]["consumer"]])


@pytest.mark.parametrize("grid", ["alone", "oldest", "cluster"])
def test_realtime_calls_are_answered(request: pytest.FixtureRequest, grid: str) -> None:
    """G1, G7, G9: from every partition, after one consumer was killed and one has left."""
    field: Field = request.getfixturevalue(grid)
    assert field.backlog() == 0  # Whoever comes first decides on the number of partitions.
    killed, leaving = field.serve(*REALTIME, "--slots", "1", count=2)
    terms = [{"id": n, "spot": 1.0} for n in range(100)]
    callers = [Caller(field, partition) for partition in range(field.partitions)]
    for caller in callers:
        caller.send(terms, "tests.pricers:plain")
        caller.send(terms[:5], "tests.pricers:sleepy", options={"seconds": 0.1})
    killed.end(signal.SIGKILL)
    assert leaving.end() == 0
    field.serve(*REALTIME, "--slots", "2")
    for caller in callers:
        outcomes = [reply.record["outcome"] for reply in caller.answered(30).values()]
        assert outcomes == ["priced"] * 105
    assert field.backlog() == 0


@pytest.mark.parametrize("grid", ["alone", "oldest", "cluster"])
def test_cancel_resume_and_drop(request: pytest.FixtureRequest, grid: str) -> None:
    """G1: on every partition."""
    field: Field = request.getfixturevalue(grid)
    field.fill(2_000)
    job = field.submit(Job("night", "synthetic"))
    assert field.cancel(job).counts.cancelled == 2_000
    assert field.backlog() == 0
    field.resume(job)
    field.serve(*LEASE)
    assert field.done(job).well
    assert field.run(lambda grid: grid.jobs.names()) == ["night"]
    left = field.run(lambda grid: held_of(grid, "night"))
    assert left > field.partitions
    progress = field.progress(job)
    field.run(lambda grid: drop(grid, progress))
    assert field.run(lambda grid: held_of(grid, "night")) == 0
    assert field.run(lambda grid: grid.jobs.names()) == []
    assert field.run(lambda grid: grid.cache.drop("default")) == 2_000
    assert field.run(lambda grid: grid.cache.books()) == []
    assert field.run(lambda grid: grid.cache.index("default")) == {}


async def held_of(grid: Grid, name: str) -> int:
    """Keys that hold something of a job."""
    return len([key async for key in grid.redis.scan_iter(f"az:*:job:{name}*")])


@pytest.mark.parametrize("grid", ["alone", "oldest", "cluster"])
def test_a_look_sees_every_partition(request: pytest.FixtureRequest, grid: str) -> None:
    """What `azfinsim top` shows; only Redis 6.2 does not count the calls that came."""
    field: Field = request.getfixturevalue(grid)
    field.fill(2_000)
    job = field.submit(synthetic("night", 1e5, chunk=50))
    [consumer] = field.serve("--slots", "1", "--lane", "realtime,bulk")

    def busy() -> Sample | None:
        sample = field.run(lambda grid: Lookout(grid).look())
        return sample if sample.queues[Lane.BULK].in_flight else None

    sample = eventually(busy, 20, "a consumer that has something")
    assert sample is not None
    queue = sample.queues[Lane.BULK]
    assert queue.waiting + queue.in_flight == field.backlog()
    assert queue.oldest > 0
    assert [seen.job for seen in sample.jobs] == [job]
    assert [seen.presence.name for seen in sample.consumers] == [consumer.serving()]
    assert 0 <= (sample.consumers[0].silent or 0) <= 10
    assert sample.calls == (None if grid == "oldest" else 0)
    assert sample.server is not None
    assert sample.server.nodes == (3 if grid == "cluster" else 1)


def test_all_nodes_may_be_away_for_a_while(cluster: Field, nodes: Nodes) -> None:
    """G4: nobody is deaf afterwards, and nothing is lost."""
    cluster.fill(3_000)
    [consumer] = cluster.serve(*LEASE)
    job = cluster.submit(synthetic("night", 1.0, chunk=10))
    eventually(lambda: cluster.ended(job) > 300, 30, "a job in full swing")
    nodes.kill()
    eventually(lambda: consumer.events("waiting for the server"), 20, "a consumer that waits")
    nodes.start()
    counts = cluster.done(job, 60).counts
    assert counts.submitted == counts.priced == 3_000
    assert consumer.end() == 0


@pytest.mark.parametrize("grid", ["alone", "oldest", "cluster"])
def test_a_job_follows_another(request: pytest.FixtureRequest, grid: str) -> None:
    """G1, G2: held back, cancelled, resumed and released in every partition."""
    field: Field = request.getfixturevalue(grid)
    field.fill(2_000)
    first = field.submit(synthetic("first"))
    job = field.submit(synthetic("next", after="first", chunk=7))
    held = field.backlog()
    assert field.cancel(job).counts.cancelled == 2_000
    field.resume(job)
    assert field.backlog() == held
    field.serve(*LEASE)
    assert field.done(first).well
    assert field.done(job).counts.priced == 2_000
    assert [record["id"] for record in field.records(job)] == list(range(2_000))
