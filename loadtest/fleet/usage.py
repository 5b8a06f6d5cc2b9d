"""What the nodes of a server have used since their start, by their own count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over the nodes, but for the processor."""

    cpu: Sequence[float]
    """Seconds of each node's process, user and system."""
    commands: int
    """Those within scripts included."""
    reads: int
    """XREADGROUP."""
    bytes_in: int
    bytes_out: int
    memory: int
    clients: int
    client_bytes: int
    """What the clients' buffers take of the memory."""

    @property
    def cpu_seconds(self) -> float:
        """Of all nodes."""
        return sum(self.cpu)


async def usage(client: Redis, *, cluster: bool) -> Usage:
    """Ask all nodes."""
    # A cluster answers for a node of its choice, unless it is asked for all that hold data.
    options = {"target_nodes": "primaries"} if cluster else {}
    asked: Any = client  # whose info takes no nodes, by its types, unless it is a cluster's
    nodes = _by_node(await asked.info("everything", **options))
    return Usage(
        [float(node["used_cpu_user"]) + float(node["used_cpu_sys"]) for node in nodes],
        sum(int(node["total_commands_processed"]) for node in nodes),
        sum(int(node.get("cmdstat_xreadgroup", {}).get("calls", 0)) for node in nodes),
        sum(int(node["total_net_input_bytes"]) for node in nodes),
        sum(int(node["total_net_output_bytes"]) for node in nodes),
        sum(int(node["used_memory"]) for node in nodes),
        sum(int(node["connected_clients"]) for node in nodes),
        sum(int(node.get("mem_clients_normal", 0)) for node in nodes),
    )


def _by_node(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """By the names of the nodes, so that each stays in its place."""
    if "used_memory" in info:
        return [info]
    return [info[name] for name in sorted(info)]
