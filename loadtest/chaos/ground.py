"""What faults strike at: servers, consumers, networks and work of one run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from engine.grid import Grid
from loadtest.chaos.cluster import Cluster
from loadtest.chaos.controls import Controls
from loadtest.chaos.patience import RunFailed
from loadtest.chaos.proxy import Proxy
from loadtest.chaos.seats import Consumer, Seats
from loadtest.chaos.servers import Servers
from loadtest.chaos.work import Work


@dataclass(slots=True)
class Ground:
    """All that a fault may touch."""

    grid: Grid
    """By a connection that no fault of the network touches."""
    seats: Seats
    work: Work
    tending: TaskGroup
    """For what goes on behind a fault; cancelled at the end of the run."""
    lease: float
    """Seconds, of the consumers."""
    proxies: Sequence[Proxy] = ()
    """Between the consumers and the server, and the realtime client and the server."""
    servers: Servers | Cluster | None = None
    """None on a server that is not ours."""
    other_version: str | None = None
    """Where the code of another version lies."""
    controls: Controls | None = None
    """None where none is to be killed."""
    spared: int | None = None
    """The seat whose consumer no strike is meant for."""
    frozen: set[int] = field(default_factory=set)
    """The consumers that cannot hear us, by process ID."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each SIGKILL to when others had all that it held."""
    server_lock: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by whoever mistreats the server: one at a time."""
    strikes: Counter[str] = field(default_factory=Counter)
    """How often each kind has struck."""

    @property
    def own(self) -> Servers | Cluster:
        """The servers; raises RunFailed if they are not ours."""
        if self.servers is None:
            raise RunFailed("this fault strikes only servers that the run has started")
        return self.servers

    @property
    def primary(self) -> Servers:
        """The server that holds all, and its replica; raises RunFailed where there is none."""
        if not isinstance(self.servers, Servers):
            raise RunFailed("this fault strikes only a server that holds all")
        return self.servers

    def consumer(self, target: int) -> Consumer | None:
        """The consumer that a strike is meant for, of those that live and can hear it."""
        fair = [c for c in self.seats.living if c.pid not in self.frozen and c.name]
        fair = [c for c in fair if c.seat != self.spared]
        return fair[target % len(fair)] if fair else None

    def networks(self, target: int) -> Sequence[Proxy]:
        """The networks that a strike is meant for: one of them, or all."""
        at = target % (len(self.proxies) + 1)
        return self.proxies if at == len(self.proxies) else [self.proxies[at]]
