"""The server of a fleet, or the nodes of a cluster: embedded ones, over TCP as on a network."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import redis

from engine.embedded import EmbeddedServer, ServerSettings
from engine.errors import ServerError

SLOTS = 16384
"""Of a Redis Cluster: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/"""

JOIN_SECONDS = 30.0
"""In which the nodes of a cluster must have found each other."""

_CONFIG = {"maxclients": "60000", "tcp-backlog": "4096"}


@contextmanager
def servers(nodes: int) -> Iterator[str]:
    """Run a server, or the nodes of a cluster; yields the URL.

    Raises ServerError if they do not start, or do not find each other.
    """
    config = _CONFIG | ({"cluster-enabled": "yes"} if nodes > 1 else {})
    with ExitStack() as stack:
        urls = [
            stack.enter_context(EmbeddedServer(ServerSettings(port=0, config=config))).url
            for _ in range(nodes)
        ]
        if nodes > 1:
            _join(urls)
        yield f"{urls[0]}?cluster=true" if nodes > 1 else urls[0]


def _join(urls: list[str]) -> None:
    clients: list[Any] = [redis.Redis.from_url(url) for url in urls]  # its commands have no types
    try:
        for number, client in enumerate(clients):
            first, last = number * SLOTS // len(urls), (number + 1) * SLOTS // len(urls) - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", _port(urls[0]))
        deadline = time.monotonic() + JOIN_SECONDS
        while not all(_joined(client, len(urls)) for client in clients):
            if time.monotonic() > deadline:
                raise ServerError("the nodes of the cluster do not find each other")
            time.sleep(0.05)
    finally:
        for client in clients:
            client.close()


def _joined(client: Any, count: int) -> bool:
    text = client.execute_command("CLUSTER", "INFO").decode()
    return "cluster_state:ok" in text and f"cluster_known_nodes:{count}\r" in text


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])
