"""The grid on Redis itself, alone and as a cluster of three; the embedded server is Valkey."""

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from engine import leash
from engine.job import Job
from tests.processes import Field, field_at, prices, synthetic
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)

LEASE = ("--lease", "0.6", "--slots", "1")


def start(folder: Path, *options: str) -> leash.Leash:
    """A server with its files in a folder; need not answer yet."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        command = ["redis-server", "--dir", str(folder), "--save", "", *options]
        return leash.start(command, grace=1.0, output=log)


def answers(ask: Callable[[], object]) -> bool:
    with suppress(redis.RedisError):
        return bool(ask())
    return False


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Field]:
    """A grid on one Redis server."""
    path = tmp_path / "redis" / "socket"
    held = start(tmp_path / "redis", "--port", "0", "--unixsocket", str(path))
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            eventually(lambda: answers(client.ping), what="a Redis server")
        with field_at(f"unix://{path}", tmp_path) as field:
            yield field
    finally:
        held.stop(1.0)


class Nodes:
    """The nodes of a cluster, which may all be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.ports = free_ports(3)
        self._folders = [folder / f"node-{port}" for port in self.ports]
        self._held: list[leash.Leash] = []
        self.clients: list[Any] = [redis.Redis(port=port) for port in self.ports]

    def start(self) -> None:
        for port, folder in zip(self.ports, self._folders, strict=True):
            asked = ("--port", str(port), "--cluster-enabled", "yes", "--appendonly", "yes")
            self._held.append(start(folder, *asked))
        for node in self.clients:
            eventually(lambda node=node: answers(node.ping), what="a node")  # type: ignore[misc]

    def join(self) -> None:
        """Make a cluster of them."""
        for number, node in enumerate(self.clients):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0])
        for node in self.clients:
            eventually(
                lambda node=node: knows_all(node, len(self.ports)),  # type: ignore[misc]
                what="a node that knows the others",
            )

    def kill(self) -> None:
        while self._held:
            self._held.pop().kill()

    def close(self) -> None:
        self.kill()
        for node in self.clients:
            node.close()


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


def knows_all(node: Any, count: int) -> bool:
    told: bytes = node.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in told and f"cluster_known_nodes:{count}".encode() in told


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, below those that connections get: a node takes 10,000 more too."""
    found: list[int] = []
    for port in range(17_000, 19_000):
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


@pytest.mark.parametrize("grid", ["alone", "cluster"])
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


@pytest.mark.parametrize("grid", ["alone", "cluster"])
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
    assert field.run(lambda grid: grid.cache.drop("default")) == 2_000
    assert field.run(lambda grid: grid.cache.books()) == []
    assert field.run(lambda grid: grid.cache.index("default")) == {}


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
