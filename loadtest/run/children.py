"""The generators of this machine: processes that end with whoever runs the test."""

from dataclasses import dataclass, field
from pathlib import Path

from engine import leash
from engine.connection import Address
from loadtest.processes import launch

GRACE = 2.0
"""Seconds that a generator may take to leave when its owner has died."""

LAST_LINES = 5


@dataclass(slots=True)
class Children:
    """Of one measurement; to be killed at its end."""

    address: Address
    folder: Path
    """For their logs."""
    meeting: str
    """That they join."""
    _held: list[leash.Leash] = field(default_factory=list)

    def start(self, count: int) -> None:
        """Start so many."""
        for number in range(count):
            told, log = [self.meeting], self._log(number)
            child = launch("loadtest.generator", told, self.address, log, grace=GRACE)
            self._held.append(child)

    @property
    def pids(self) -> list[int]:
        return [child.process.pid for child in self._held]

    def kill(self) -> None:
        """End those that still run."""
        for child in self._held:
            child.kill()

    def ended(self) -> dict[int, int]:
        """Those that have ended: process ID -> exit code."""
        codes = {child.process.pid: child.process.poll() for child in self._held}
        return {pid: code for pid, code in codes.items() if code is not None}

    def last_words(self, pid: int) -> str:
        """The end of what one has written, on one line."""
        number = [child.process.pid for child in self._held].index(pid)
        lines = self._log(number).read_text("utf-8", "replace").splitlines()
        return " | ".join(lines[-LAST_LINES:])

    def _log(self, number: int) -> Path:
        return self.folder / f"generator-{self.meeting}-{number + 1}.log"
