"""Faults of the network, by the proxies between consumers and server."""

from collections.abc import Sequence

from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.proxy import Proxy

LATE = 0.15
"""Seconds by which each piece is late, in both directions."""


def _told(networks: Sequence[Proxy]) -> str:
    return "one network" if len(networks) == 1 else f"{len(networks)} networks"


class Delay(Striking):
    """All arrives, but late."""

    async def strike(self) -> str:
        networks = self.ground.networks(self.target)
        for proxy in networks:
            proxy.delay = LATE
        return f"{LATE:g} s of delay on {_told(networks)}"

    async def heal(self) -> None:
        for proxy in self.ground.networks(self.target):
            proxy.restore()


class Drop(Striking):
    """Nothing arrives, and nobody is told; then the connections end."""

    async def strike(self) -> str:
        networks = self.ground.networks(self.target)
        for proxy in networks:
            proxy.drop()
        return f"all is swallowed on {_told(networks)}"

    async def heal(self) -> None:
        for proxy in self.ground.networks(self.target):
            proxy.restore()


class Cut(Striking):
    """Connections end; new ones are possible at once."""

    async def strike(self) -> str:
        links = sum(proxy.cut() for proxy in self.ground.networks(self.target))
        return f"cut {links} connections" if links else ""
