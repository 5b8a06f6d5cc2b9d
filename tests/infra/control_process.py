"""Controllers as processes, and the grid and the crew that they work on.

What may live here: how a test starts, watches and ends ``azfinsim pool control``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.connection import Address
from infra.pool.local import LocalCrew, state_folder
from infra.pool.plan import Order, PoolLane
from tests.processes import ROOT, Field
from tests.waiting import eventually

LEASE = 1.5
"""Seconds."""


@dataclass(slots=True)
class Control:
    """One ``azfinsim pool control``, as a process."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text(errors="replace").splitlines()
        events = [orjson.loads(line) for line in lines if line.endswith("}")]
        return [event for event in events if event["event"] == name]

    def shows(self, name: str, within: float = 20.0) -> dict[str, Any]:
        """Wait until it has logged this; the last time."""

        def shown() -> list[dict[str, Any]]:
            assert self.process.poll() is None, self.log.read_text()
            return self.events(name)

        return eventually(shown, within, f"{name!r} of a controller")[-1]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        code = self.process.wait(10)
        assert "Traceback" not in self.log.read_text()
        return code


@dataclass(slots=True)
class Scene:
    """A grid, and the controllers and the crew of it."""

    at: Field
    folder: Path
    controls: list[Control] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AZFINSIM_REDIS_URL": self.at.url,
            "XDG_STATE_HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }

    @property
    def crew(self) -> LocalCrew:
        order = Order("bulk", PoolLane.BULK, 1)
        return LocalCrew(state_folder(self.environment), order, Address.parse(self.at.url), {})

    @property
    def living(self) -> int:
        """Consumers that run, those included that were told to leave."""
        return sum(each.living for each in self.crew.processes())

    @property
    def begun(self) -> int:
        """Consumers that were ever started."""
        return sum(
            log.read_text(errors="replace").count('"serving"')
            for log in self.crew.folder.glob("*.log")
        )

    def control(self, *options: str) -> Control:
        """Start a controller of at most four consumers."""
        log = self.folder / f"control-{len(self.controls)}.log"
        told = ["--local", "--ceiling", "4", "--slots-per-consumer", "1", "--startup", "3"]
        each = ["--interval", "0.3", "--lease", str(LEASE), "--log-format", "json"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command([*told, *each, *options]),
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.controls.append(Control(process, log))
        return self.controls[-1]

    def close(self) -> None:
        for control in self.controls:
            if control.process.poll() is None:
                control.process.kill()
                control.process.wait()
        for each in self.crew.processes():
            each.kill()
        eventually(lambda: not self.living, what="the end of all consumers")


def command(options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "azfinsim", "pool", "control", *options]
