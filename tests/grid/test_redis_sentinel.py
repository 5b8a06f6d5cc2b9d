"""A server and its replica, watched by a sentinel: one dies and the other takes over."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from engine.connection import Address, open_redis
from engine.errors import ServerError
from engine.leash import Leash
from tests.processes import Field, field_at, synthetic
from tests.redis_servers import answers, free_ports, needs_redis, start
from tests.waiting import eventually

pytestmark = needs_redis

SERVICE = "night"


class Watched:
    """A server, its replica, and one sentinel, whose word is enough here."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.first, self.second, self.watching = free_ports(3)
        at_once = ("--port", str(self.first), "--repl-diskless-sync-delay", "0")
        self.server = self._start(folder / "server", stack, *at_once)
        of_first = ("--port", str(self.second), "--replicaof", f"127.0.0.1 {self.first}")
        self._start(folder / "replica", stack, *of_first)
        self.primary: Any = redis.Redis(port=self.first)
        self.replica = redis.Redis(port=self.second)
        stack.callback(self.primary.close)
        stack.callback(self.replica.close)
        eventually(lambda: answers(self._in_step), what="a replica in step")
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.watching}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.first} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        self._start(folder / "sentinel", stack, "--sentinel", config=config)
        self.sentinel: Any = redis.Redis(port=self.watching)
        stack.callback(self.sentinel.close)
        eventually(lambda: answers(self._replica_is_known), what="a sentinel that knows both")

    @staticmethod
    def _start(folder: Path, stack: ExitStack, *options: str, config: Path | None = None) -> Leash:
        held = start(folder, *options, config=config)
        stack.callback(held.stop, 1.0)
        return held

    def _in_step(self) -> bool:
        return bool(self.replica.info("replication")["master_link_status"] == "up")

    def _replica_is_known(self) -> bool:
        return any(s["master-link-status"] == "ok" for s in self.sentinel.sentinel_slaves(SERVICE))

    def has_taken_over(self) -> bool:
        """Whether the replica serves, as the sentinel sees it."""
        state = self.sentinel.sentinel_masters()[SERVICE]
        return bool(state["port"] == self.second and not state["is_sdown"])


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        yield Watched(tmp_path, stack)


@pytest.fixture
def field(watched: Watched, tmp_path: Path) -> Iterator[Field]:
    url = f"redis://127.0.0.1:1,127.0.0.1:{watched.watching}?sentinel={SERVICE}"
    with field_at(url, tmp_path) as made:
        yield made


@pytest.mark.pain("taskiq-redis#130", "taskiq-redis#97")
def test_the_replica_takes_over(watched: Watched, field: Field) -> None:
    """G1, G4: also where the first of the sentinels named is away. What was settled and not
    replicated yet is priced again."""
    field.fill(3_000)
    [consumer] = field.serve("--slots", "1", "--lease", "0.6")
    job = field.submit(synthetic("night", 1.0, chunk=10))
    eventually(lambda: field.ended(job) > 300, 30, "a job in full swing")
    # The job itself must have come over: resuming what a server has lost is another test's.
    assert watched.primary.wait(1, 10_000) == 1
    watched.server.kill()
    eventually(watched.has_taken_over, 30, "a failover")
    counts = field.done(job, 60).counts
    assert counts.submitted == counts.priced == 3_000
    assert [record["id"] for record in field.records(job)] == list(range(3_000))
    assert consumer.events("waiting for the server")
    assert consumer.end() == 0


async def test_a_service_that_the_sentinel_does_not_know(watched: Watched) -> None:
    url = f"redis://127.0.0.1:{watched.watching}?sentinel=nosuch"
    with pytest.raises(ServerError, match="no sentinel that answers knows a server for 'nosuch'"):
        async with open_redis(Address.parse(url)):
            pass
