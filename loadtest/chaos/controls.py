"""Controllers of a run: they keep a crew of their own beside the seats, and are killed.

They are what a user would start, ``azfinsim pool control --local``, one that leads and one that
stands by. What they did is told by their logs, and whom they started by the processes there are.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import orjson
from anyio import to_thread

from engine import keys, leash
from engine.connection import Address, text
from engine.grid import Grid
from loadtest.chaos.audit_controls import audit_controls
from loadtest.chaos.patience import patiently, until
from loadtest.chaos.readout import crew_of_run
from loadtest.chaos.seats import MARK

FLOOR, CEILING = 1, 2
"""Consumers of the crew."""

CREW = "chaos"

LANE = "bulk"

LEASE = 1.5
"""Seconds, of whoever leads."""

STARTING = 30.0
"""Seconds in which the crew should have come to its floor, when all is healed."""

EVERY = 0.2
"""Seconds between looks at who is there."""

ENDING = 40.0
"""Seconds that the crew may take to be taken down."""

_OPTIONS = (
    *("--name", CREW, "--lane", LANE, "--floor", str(FLOOR), "--ceiling", str(CEILING)),
    *("--slots-per-consumer", "1", "--startup", "3", "--within", "20"),
    *("--interval", "0.3", "--lease", str(LEASE), "--log-format", "json"),
)


@dataclass(slots=True)
class Control:
    """One controller process."""

    held: leash.Leash
    log: Path

    @property
    def pid(self) -> int:
        return self.held.process.pid

    @property
    def lives(self) -> bool:
        return self.held.process.poll() is None

    def events(self) -> list[dict[str, Any]]:
        """All that it has logged, in whole lines."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [orjson.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]


@dataclass(slots=True)
class Controls:
    """Two controllers, of whom another takes the place of one that was killed."""

    grid: Grid
    address: Address
    """Of the server, by a network that faults may strike."""
    folder: Path
    mark: str
    """Of this run."""
    everyone: list[Control] = field(default_factory=list)
    seen: list[Mapping[str, frozenset[int]]] = field(default_factory=list)
    """The processes of each consumer of the crew, at one look after another."""

    async def keep(self) -> None:
        """Have two at every moment, and note whom they keep; for ever."""
        while True:
            while sum(each.lives for each in self.everyone) < 2:
                self._start()
            self.seen.append(crew_of_run(self.mark))
            await anyio.sleep(EVERY)

    async def leader(self) -> Control | None:
        """Whoever leads now, if he lives."""
        told = await patiently(self.grid.redis.hget, keys.controller(LANE), "leader")
        # A controller's name is HOST-PID-CHANCE.
        pid = text(told).split("-")[-2] if told is not None else ""
        return next((c for c in self.everyone if str(c.pid) == pid and c.lives), None)

    async def at_floor(self) -> bool:
        """Whether the crew comes to its floor now, at the latest."""

        async def there() -> bool:
            return FLOOR <= len(crew_of_run(self.mark)) <= CEILING

        return await until(there, STARTING)

    async def take_down(self) -> None:
        """Take the crew down, which ends the controllers."""
        down = ("pool", "down", "--local", "--name", CREW, "--state", str(self.folder))
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._azfinsim, *down)

    async def gone(self) -> bool:
        """Whether all controllers have ended by themselves."""

        async def all_ended() -> bool:
            return not any(control.lives for control in self.everyone)

        return await until(all_ended, ENDING)

    def kill(self) -> None:
        """End controllers and crew at once; nothing if they have ended."""
        for control in self.everyone:
            control.held.kill()
        for pids in crew_of_run(self.mark).values():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        log = self.folder / f"control-{len(self.everyone) + 1}.log"
        command = ["pool", "control", "--local", "--state", str(self.folder), *_OPTIONS]
        with log.open("wb") as output:
            held = leash.start(
                [sys.executable, "-P", "-m", "azfinsim", *command],
                grace=LEASE,
                output=output,
                environment=self._environment(),
            )
        self.everyone.append(Control(held, log))

    def _azfinsim(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-P", "-m", "azfinsim", *words],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.address.environment(), MARK: self.mark}


async def ended(controls: Controls) -> list[str]:
    """Take the crew down; returns what is to be said of the controllers."""
    findings = []
    if sys.platform == "linux" and not await controls.at_floor():
        findings.append(f"controllers: not {FLOOR} to {CEILING} consumers within {STARTING:g} s")
    await controls.take_down()
    if not await controls.gone():
        findings.append("controllers: not ended though their crew was taken down")
    if left := crew_of_run(controls.mark):
        findings.append(f"controllers: still there after their crew was taken down: {sorted(left)}")
    told = [each.log.name for each in controls.everyone if "Traceback" in each.log.read_text()]
    if told:
        findings.append(f"controllers: a traceback in {', '.join(told)}")
    events = events_in_order(controls.everyone)
    return findings + audit_controls(events, controls.seen, FLOOR, CEILING)


def events_in_order(controls: Sequence[Control]) -> list[dict[str, Any]]:
    """What all have logged, by time."""
    told = [event for control in controls for event in control.events()]
    return sorted(told, key=lambda event: str(event.get("timestamp", "")))
