"""A Redis Cluster of three as its user has it: partitions, users with least rights, the check."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine import keys
from engine.connection import Address, open_redis
from engine.errors import ServerError
from infra.acl import CLUSTER, Role, rules, setuser
from infra.facts import gather
from infra.rights import lacking
from tests.processes import field_at, synthetic
from tests.redis_servers import Nodes, needs_redis

pytestmark = needs_redis

SECRET = "secret"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(tmp_path)
    try:
        made.start()
        made.join()
        yield made
    finally:
        made.close()


def url(nodes: Nodes, user: str = "") -> str:
    """Of a cluster whose first node, of those named, is away."""
    named = ",".join(f"127.0.0.1:{port}" for port in (1, *nodes.ports[:2]))
    return f"redis://{user}{named}?cluster=true"


def run(at: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "azfinsim", *arguments],
        env={**os.environ, "AZFINSIM_REDIS_URL": at},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.pain("Azure-Managed-Redis-is-clustered")
def test_three_partitions_by_the_commands(nodes: Nodes) -> None:
    at = url(nodes)
    assert run(at, "book", "generate", "--count", "1000", "--partitions", "3").returncode == 0
    submitted = run(at, "job", "submit", "--name", "night", "--algorithm", "synthetic")
    assert submitted.returncode == 0, submitted.stderr
    assert run(at, "consume", "--exit-when-idle", "0.1", "--slots", "1").returncode == 0
    ended = run(at, "job", "wait", "night", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["priced"]) == (0, 1000)
    results = run(at, "job", "results", "night").stdout.splitlines()
    assert [json.loads(line)["id"] for line in results] == list(range(1000))
    checked = run(at, "infra", "check", "--json")
    report = json.loads(checked.stdout)
    assert (checked.returncode, len(report["nodes"]), report["partitions"]) == (1, 3, 3)
    # By their numbers: 0 is hashed to the last node, 1 and 2 to the one in the middle.
    [finding] = report["findings"]
    assert finding["what"] == (
        f"none of the grid's 3 partitions lies on 127.0.0.1:{nodes.ports[0]}"
    )
    assert [bool(node.keys("*:blocks")) for node in nodes.clients] == [False, True, True]
    other = run(at, "book", "generate", "--count", "1000", "--partitions", "4")
    assert other.returncode == 2
    assert "has 3 partitions and not 4" in other.stderr
    assert "has 3 partitions and not 5" in run(f"{at}&partitions=5", "book", "list").stderr


def test_users_with_least_rights(nodes: Nodes, tmp_path: Path) -> None:
    """A job is priced without anything being refused; without any of what a cluster takes
    besides, something is."""
    for role in Role:
        allow(nodes, role, rules(role, cluster=True, password=SECRET))
    with ExitStack() as stack:
        theirs, ours = (
            stack.enter_context(field_at(url(nodes, f"{role}:{SECRET}@"), tmp_path, partitions=3))
            for role in (Role.CONSUMER, Role.PRODUCER)
        )
        ours.fill(300)
        [consumer] = theirs.serve("--slots", "1")
        assert ours.done(ours.submit(synthetic("night"))).well
        assert consumer.end() == 0
        assert len(ours.records(ours.submit(synthetic("more")))) == 0
        for at, role in ((ours, Role.PRODUCER), (theirs, Role.CONSUMER)):
            found = at.run(lambda grid, role=role: lacking(grid.redis, role))  # type: ignore[misc]
            assert found is not None
            assert not found
    assert [node.acl_log() for node in nodes.clients] == [[], [], []]


async def test_what_a_cluster_takes_besides(nodes: Nodes) -> None:
    """Without any of it, users of a cluster do not come far."""
    told = rules(Role.PRODUCER, cluster=True, password=SECRET)
    address = Address.parse(url(nodes, f"{Role.PRODUCER}:{SECRET}@"))
    for without in sorted(CLUSTER - {"cluster|info"}):
        allow(nodes, Role.PRODUCER, [rule for rule in told if rule != f"+{without}"])
        with pytest.raises(ServerError):
            async with open_redis(address) as client:
                await client.exists(keys.grid())
    # And without this one is not told how the cluster is.
    allow(nodes, Role.PRODUCER, [rule for rule in told if rule != "+cluster|info"])
    assert (await gather(address, [])).cluster is None
    allow(nodes, Role.PRODUCER, told)
    assert dict((await gather(address, [])).cluster or {})["cluster_state"] == "ok"


def allow(nodes: Nodes, role: Role, told: list[str]) -> None:
    for node in nodes.clients:
        node.execute_command(*setuser(role, told).split(" "))
