"""A cluster of a run's own: three nodes, without replicas, each with an append-only file."""

from pathlib import Path

import redis
from anyio import to_thread

from engine.connection import Address
from engine.embedded import EmbeddedServer, ServerSettings
from loadtest.chaos.patience import RunFailed, until

NODES = 3

SLOTS = 16_384
"""Hash slots of a cluster, by its protocol."""

JOINED = 30.0
"""Seconds in which nodes should know each other."""

_CONFIG = {
    "cluster-enabled": "yes",
    # A node that is killed is back long before the others would give it up.
    "cluster-node-timeout": "15000",
}


class Cluster:
    """The nodes; started by ``start`` and ended by ``stop``."""

    def __init__(self, folder: Path) -> None:
        self._nodes = [
            EmbeddedServer(ServerSettings(directory=folder / f"node-{n}", port=0, config=_CONFIG))
            for n in range(NODES)
        ]

    @property
    def address(self) -> Address:
        """Where clients find it."""
        return Address.parse(f"{self._nodes[0].url.rpartition('/')[0]}?cluster=true")

    async def start(self) -> None:
        """Start the nodes and join them. Raises RunFailed if they do not get to know each other."""
        for node in self._nodes:
            await to_thread.run_sync(node.start)
        first = _port(self._nodes[0])
        for number, node in enumerate(self._nodes):
            with _client(node) as client:
                low, high = (SLOTS * n // NODES for n in (number, number + 1))
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", low, high - 1)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", first)
        await self._joined()

    def stop(self) -> None:
        for node in self._nodes:
            node.stop(0)

    async def restart(self, target: int) -> None:
        """Kill a node, and start it with what its append-only file holds."""
        node = self._nodes[target % NODES]
        node.kill()
        await to_thread.run_sync(node.start)
        await self._joined()

    async def _joined(self) -> None:
        async def all_know_all() -> bool:
            return all(map(_knows_all, self._nodes))

        if not await until(all_know_all, JOINED):
            raise RunFailed(f"the nodes do not join; {self._nodes[0].last_words()}")


def _knows_all(node: EmbeddedServer) -> bool:
    with _client(node) as client:
        told = bytes(client.execute_command("CLUSTER", "INFO"))
    return b"cluster_state:ok" in told and b"cluster_known_nodes:%d" % NODES in told


def _client(node: EmbeddedServer) -> "redis.Redis":
    return redis.Redis.from_url(node.url)


def _port(node: EmbeddedServer) -> int:
    return int(node.url.rpartition(":")[2].partition("/")[0])
