"""A fleet of consumers on this machine: processes that end with whoever started them."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from engine import leash
from engine.connection import Address

DRAIN = 5.0
"""Seconds that a consumer has to finish what it is pricing, before it hands that back."""

GRACE = DRAIN + 10.0
"""Seconds after which a consumer that should have left is killed."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a fleet is told once."""

    address: Address
    consumers: int
    logs: Path
    """The folder for the consumers' logs, one file each; made if it is not there."""
    options: Sequence[str] = ()
    """Options of ``azfinsim consume`` for all of them."""


class Fleet:
    """Consumers that run while the ``with`` block does."""

    def __init__(self, settings: FleetSettings) -> None:
        self._settings = settings
        self._leashes: list[leash.Leash] = []

    def __enter__(self) -> Self:
        self._settings.logs.mkdir(parents=True, exist_ok=True)
        with ExitStack() as started:
            started.callback(self.stop)
            for number in range(1, self._settings.consumers + 1):
                self._leashes.append(self._start(number))
            started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def living(self) -> int:
        """How many of the consumers run."""
        return sum(held.process.poll() is None for held in self._leashes)

    def stop(self) -> None:
        """Let all consumers leave, all at once, and wait for that."""
        for held in self._leashes:
            held.process.terminate()
        while self._leashes:
            self._leashes.pop().stop(GRACE)

    def _start(self, number: int) -> leash.Leash:
        # -P: a file named consumer.py in the working folder is not ours.
        python = (sys.executable, "-P", "-m", "consumer")
        told = ("--drain", str(DRAIN), "--log-format", "json", *self._settings.options)
        with (self._settings.logs / f"consumer-{number}.log").open("ab") as log:
            return leash.start(
                [*python, *told], grace=GRACE, output=log, environment=self._environment()
            )

    def _environment(self) -> dict[str, str]:
        # The URL may hold a password: an argument could be read by every user of the machine.
        return {**os.environ, **self._settings.address.environment()}
