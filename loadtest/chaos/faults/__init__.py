"""The kinds of fault, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from loadtest.chaos.faults import controllers, jobs, network, processes, server, slow
from loadtest.chaos.faults.fault import Fault
from loadtest.chaos.ground import Ground

__all__ = ["KINDS", "Fault", "Kind", "Needs"]


class Needs(Enum):
    """What a kind of fault cannot do without."""

    NOTHING = auto()
    """It harms only what the run has started."""
    NETWORK = auto()
    """Consumers that come to the server through a proxy."""
    RIGHTS = auto()
    """To administer a server, and nobody else there who would mind."""
    SERVER = auto()
    """Servers of the run's own, to be killed."""
    DATA = auto()
    """A server of the run's own that holds all, to lose it."""
    VERSION = auto()
    """The code of another version."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    make: Callable[[Ground, int], Fault]
    """For the target of a strike."""
    needs: Needs
    what: str
    """It does, in words."""

    loses: bool = False
    """Whether it costs data, so that jobs must be resumed."""

    @property
    def exclusive(self) -> bool:
        """Whether no other of its like may strike before it is healed."""
        return self.needs in (Needs.RIGHTS, Needs.SERVER, Needs.DATA)


KINDS: Mapping[str, Kind] = {
    "kill": Kind(processes.Kill, Needs.NOTHING, "SIGKILL of a consumer"),
    "freeze": Kind(processes.Freeze, Needs.NOTHING, "SIGSTOP past the lease, then SIGCONT"),
    "term": Kind(processes.Term, Needs.NOTHING, "SIGTERM of a consumer"),
    "clock": Kind(processes.Clock, Needs.NOTHING, "a consumer's clock jumps by hours"),
    "submitter": Kind(jobs.Submitter, Needs.NOTHING, "SIGKILL of whoever submits a job"),
    "cancel": Kind(jobs.Cancel, Needs.NOTHING, "a job is cancelled while it is priced"),
    "slow": Kind(slow.Slow, Needs.NOTHING, "a consumer that holds entries and does not end them"),
    "controller": Kind(
        controllers.Controller, Needs.NOTHING, "SIGKILL of the controller that leads"
    ),
    "version": Kind(processes.Version, Needs.VERSION, "a consumer of another version"),
    "delay": Kind(network.Delay, Needs.NETWORK, "a network that is slow"),
    "drop": Kind(network.Drop, Needs.NETWORK, "a network that swallows bytes"),
    "cut": Kind(network.Cut, Needs.NETWORK, "connections that break"),
    "clients": Kind(server.KillClients, Needs.RIGHTS, "CLIENT KILL of all connections"),
    "pause": Kind(server.Pause, Needs.RIGHTS, "CLIENT PAUSE"),
    "full": Kind(server.Full, Needs.RIGHTS, "a server out of memory"),
    "restart": Kind(server.Restart, Needs.SERVER, "SIGKILL of a server, which has its AOF"),
    "promote": Kind(
        server.Promote, Needs.DATA, "SIGKILL of the server, its replica promoted", loses=True
    ),
    "tail": Kind(server.LoseTail, Needs.DATA, "a server that loses its last writes", loses=True),
    "forget": Kind(server.Forget, Needs.DATA, "SHUTDOWN NOSAVE: all data lost", loses=True),
}
