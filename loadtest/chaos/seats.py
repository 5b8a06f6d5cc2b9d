"""The consumers of a run: each has a seat, where another is put when it has ended."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import orjson

from engine import leash
from engine.connection import Address
from engine.edge import NO_SERVER
from loadtest.chaos.patience import RunFailed, until
from loadtest.chaos.proxy import Proxy
from loadtest.processes import launch

GRACE = 10.0
"""Seconds that a consumer may take to leave before it is killed."""

STARTING = 60.0
"""Seconds in which a consumer must serve: it may have to compile its kernels first."""

EVERY = 0.05
"""Seconds between looks at who has ended."""

EXPLAINED = (None, 0, -signal.SIGKILL)
"""Exit codes: it runs, it left, it was killed, by us or by poison."""

LAST_LINES = 8

OLDEST_OPTIONS = ("--slots", "1", "--lease", "1", "--drain", "5")
"""Of a consumer, which all versions know."""

MARK = "AZFINSIM_CHAOS_RUN"
"""The variable by which the processes of a run are known."""


@dataclass(slots=True)
class Consumer:
    """One consumer process."""

    seat: int
    held: leash.Leash
    log: Path
    told: bool = False
    """Whether it was told to leave."""

    @property
    def pid(self) -> int:
        return self.held.process.pid

    @property
    def code(self) -> int | None:
        """How it has ended, None while it runs."""
        return self.held.process.poll()

    @property
    def name(self) -> str | None:
        """By which the grid knows it, None until it serves."""
        for event in self.events("serving"):
            return str(event["consumer"])
        return None

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under this name."""
        found = []
        for line in self.lines():
            if f'"{name}"' in line and line.endswith("}"):
                event = orjson.loads(line)
                if event.get("event") == name:
                    found.append(event)
        return found

    def lines(self) -> list[str]:
        """Whole lines of its log."""
        text = self.log.read_text("utf-8", "replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def leave(self) -> bool:
        """Tell it to leave, unless it was told: a second time would end it at once (G7)."""
        first, self.told = not self.told, True
        if first:
            self.send(signal.SIGTERM)
        return first

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.code is None:
            self.held.process.send_signal(number)


@dataclass(slots=True)
class Seat:
    """A place for one consumer after another."""

    number: int
    address: Address
    proxy: Proxy | None
    options: Sequence[str]
    module: str = "consumer"
    python_path: str | None = None
    """Where the code of another version is."""
    consumer: Consumer | None = None


@dataclass(slots=True)
class Seats:
    """All seats; ``keep`` fills those that become empty."""

    folder: Path
    mark: str
    """Of this run."""
    seats: Sequence[Seat] = ()
    everyone: list[Consumer] = field(default_factory=list)
    """All that were ever started, in order."""
    filling: bool = True
    """Whether an empty seat is filled."""

    @property
    def living(self) -> list[Consumer]:
        """Those that run, by seat."""
        found = [seat.consumer for seat in self.seats]
        return [consumer for consumer in found if consumer is not None and consumer.code is None]

    def of(self, target: int) -> Consumer | None:
        """The consumer that a strike is meant for, if any lives."""
        living = self.living
        return living[target % len(living)] if living else None

    def fill(self) -> None:
        """Put a consumer into each seat where none lives."""
        for seat in self.seats:
            if seat.consumer is None or seat.consumer.code is not None:
                seat.consumer = self._start(seat)
                self.everyone.append(seat.consumer)

    async def keep(self) -> None:
        """Fill seats as they become empty, for ever."""
        while True:
            if self.filling:
                self.fill()
            await anyio.sleep(EVERY)

    async def serving(self) -> None:
        """Wait until all who live serve; raises RunFailed if one ends or takes too long."""
        with anyio.move_on_after(STARTING):
            for consumer in self.living:
                while consumer.name is None:
                    if consumer.code is not None:
                        raise RunFailed(f"a consumer ended at once: {last_words(consumer)}")
                    await anyio.sleep(EVERY)
            return
        raise RunFailed(f"a consumer is not ready after {STARTING:g} s: see {self.folder}")

    async def leave(self) -> list[str]:
        """Let all leave in good order; returns what is to be said of those that did not (G7)."""
        self.filling = False
        leaving = self.living
        for consumer in leaving:
            consumer.send(signal.SIGCONT)
            consumer.leave()

        async def all_left() -> bool:
            return all(consumer.code is not None for consumer in leaving)

        await until(all_left, GRACE)
        return [
            f"consumer {consumer.pid}, told to leave, has exit code {consumer.code}: "
            f"{last_words(consumer)}"
            for consumer in leaving
            if consumer.code != 0
        ]

    def unexplained(self) -> list[str]:
        """What is to be said of consumers that have ended as none should."""
        return [
            f"consumer {consumer.pid} has ended with {consumer.code}: {last_words(consumer)}"
            for consumer in self.everyone
            if not _explained(consumer)
        ]

    def kill(self) -> None:
        """End all that still run, at once; nothing if none does."""
        self.filling = False
        for consumer in self.everyone:
            consumer.held.kill()

    def _start(self, seat: Seat) -> Consumer:
        log = self.folder / f"consumer-{len(self.everyone) + 1}.log"
        environment = {MARK: self.mark}
        module, options = seat.module, seat.options
        if seat.python_path:
            # It may not know our options, nor have a clock that jumps.
            module, options = "consumer", OLDEST_OPTIONS
            environment["PYTHONPATH"] = seat.python_path
        told = ["--log-format", "json", *options]
        held = launch(module, told, seat.address, log, grace=GRACE, environment=environment)
        return Consumer(seat.number, held, log)


def _explained(consumer: Consumer) -> bool:
    # Started while the server was away, it says so and ends: whoever starts consumers tries again.
    # And until it serves it has nothing to hand back.
    starting = consumer.code in (NO_SERVER, -signal.SIGTERM) and consumer.name is None
    traceback = any("Traceback" in line for line in consumer.lines())
    return (consumer.code in EXPLAINED or starting) and not traceback


def last_words(consumer: Consumer) -> str:
    """The end of its log, on one line."""
    return " | ".join(consumer.lines()[-LAST_LINES:])
