"""A crew of processes on this machine, which outlive the command that starts them."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from engine.address import Address
from engine.errors import ServerError, UsageError
from infra.pool.consumers import Count, Fence, unfenced
from infra.pool.local_process import LocalProcess
from infra.pool.plan import Change, Member, Order, State, change, counted

DRAIN = 20.0
"""Seconds that a consumer has to finish what it is pricing; ``azfinsim consume``'s own."""

TO_DIE = 5.0
"""Seconds that one that was killed has to be gone."""

LOOK = 0.1
"""Seconds between looks at who has left: a matter of opening a file each."""

Watch = Callable[[Count], None]


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where crews of this machine are kept, by the XDG base directory specification."""
    base = environment.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "azfinsim" / "crews"


def crews(state: Path) -> list[str]:
    """The crews that have been on this machine, by name."""
    return sorted(path.name for path in state.iterdir() if path.is_dir()) if state.is_dir() else []


def present(state: Path) -> list[str]:
    """Those of them that somebody is in, by name."""
    return [name for name in crews(state) if any(each.living for each in _processes(state / name))]


def _processes(folder: Path) -> list[LocalProcess]:
    names = sorted(path.stem for path in folder.glob("consumer-*.lock"))
    return [LocalProcess(folder, name) for name in names]


@dataclass(frozen=True, slots=True)
class LocalCrew:
    """Implements ``Consumers``."""

    state: Path
    """The folder of all crews."""
    order: Order
    address: Address | None
    """Of the server that its consumers work for; None where none are to be started."""
    environment: Mapping[str, str]
    """What they get besides, such as this process's own."""

    @property
    def folder(self) -> Path:
        """Of this crew: locks and logs."""
        return self.state / self.order.name

    @property
    def called(self) -> str:
        """The crew's name among the consumers of the grid; with a dot, as no Batch job has."""
        return f"local.{self.order.name}"

    async def count(self) -> Count:
        """How many there are now; see ``Consumers``."""
        return counted([self._member(each) for each in self.processes()])

    async def set(self, number: int, fence: Fence = unfenced) -> int:
        """Have so many; see ``Consumers``."""
        with self._held():
            # Nobody else can act until the crew is let go of: what holds now holds to the end.
            await fence()
            return self._make(change(self._members(), number))

    async def add_up_to(self, number: int) -> int:
        """Have at least so many; returns how many were added."""
        with self._held():
            members = self._members()
            return self._make(change(members, max(number, counted(members).living)))

    async def end(self, at_most: float, watch: Watch) -> int:
        """Let all leave, for ``at_most`` seconds, then kill.

        Returns how many had to be killed. What they held comes back after its lease. Raises
        ServerError if some cannot be: whose process ID was never noted.
        """
        with self._held():
            for each in self._living():
                each.tell_to_leave()
            with anyio.move_on_after(at_most):
                await self._gone(watch)
            killed = self._living()
            for each in killed:
                each.kill()
            with anyio.move_on_after(TO_DIE):
                await self._gone(watch)
            for each in self.processes():
                if not each.living:
                    each.forget()
            if left := ", ".join(each.name for each in self._living()):
                raise ServerError(
                    f"{left} of crew {self.order.name} cannot be ended: find who holds the locks "
                    f"in {self.folder} (`fuser`), and end them yourself"
                )
        return len(killed)

    async def _gone(self, watch: Watch) -> None:
        while self._living():
            watch(await self.count())
            await anyio.sleep(LOOK)

    def processes(self) -> list[LocalProcess]:
        """All that have been started since the crew was ended last, by name."""
        return _processes(self.folder)

    def _living(self) -> list[LocalProcess]:
        return [each for each in self.processes() if each.living]

    def _member(self, each: LocalProcess) -> Member:
        state = State.RUNNING if each.living else State.COMPLETED
        return Member(each.name, state, leaving=each.leaving)

    def _members(self) -> list[Member]:
        # A number may be given again here: nothing is kept by it but a log, which goes on.
        return [self._member(each) for each in self._living()]

    def _make(self, todo: Change) -> int:
        for name in todo.add:
            LocalProcess(self.folder, name).start(self._command(), self._environment(name))
        for each in todo.dismiss:
            LocalProcess(self.folder, each.name).tell_to_leave()
        return todo.by

    def _command(self) -> list[str]:
        # -P: a file named consumer.py in the working folder is not ours.
        return [sys.executable, "-P", "-m", "consumer", *self.order.arguments()]

    def _environment(self, name: str) -> dict[str, str]:
        # The URL may hold a password: an argument could be read by every user of the machine.
        crew = {"AZFINSIM_CREW": f"{self.called}/{name}"}
        server = self.address.environment() if self.address is not None else {}
        return {**self.environment, **server, **crew}

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep others from changing the crew meanwhile.

        Raises UsageError if somebody is at it, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(
                f"cannot keep the state of a crew in {self.folder}: {error.strerror}"
            ) from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another command is just changing the crew {self.order.name}: wait for it"
                ) from None
            yield
        finally:
            os.close(file)
