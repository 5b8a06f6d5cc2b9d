"""The server of a load test: a user's, or its own, with networks where faults strike those."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.connection import Address
from engine.embedded import EmbeddedServer, ServerSettings
from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.proxy import Proxy
from loadtest.chaos.servers import Servers, plain
from loadtest.scenario import Scenario

OWN = "own"
"""The folder, beside the logs, of a server that keeps its data."""


@dataclass(frozen=True, slots=True)
class Own:
    """The server that a test has started."""

    server: EmbeddedServer | Servers
    """The latter if faults kill it: it comes back with its data."""
    networks: list[tuple[Address, Proxy]] = field(default_factory=list)
    """One for each consumer, if faults strike those; else consumers use the server's address."""


def needs(scenario: Scenario) -> set[Needs]:
    """What the faults of a scenario cannot do without."""
    kinds = scenario.faults.kinds if scenario.faults is not None else ()
    return {KINDS[kind].needs for kind in kinds}


@asynccontextmanager
async def server_for(
    scenario: Scenario, address: Address | None, folder: Path
) -> AsyncIterator[tuple[Address, Own | None]]:
    """The server at an address, or one that lives as long as the body runs."""
    if address is not None:
        yield address, None
        return
    wanted = needs(scenario)
    if not wanted & {Needs.NETWORK, Needs.SERVER}:
        with EmbeddedServer(ServerSettings(log_path=folder / "server.log")) as server:
            yield Address.parse(server.url), Own(server)
        return
    make, at = plain()
    servers = Servers(folder / OWN, make)
    async with AsyncExitStack() as stack:
        stack.callback(servers.stop)
        await servers.start(with_replica=False)
        networks = []
        for _ in range(scenario.consumers.start if Needs.NETWORK in wanted else 0):
            proxy = await stack.enter_async_context(Proxy(servers.upstream))
            networks.append((at(proxy.port), proxy))
        yield at(servers.upstream.port), Own(servers, networks)
