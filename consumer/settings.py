"""What a consumer is told once, when it starts."""

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from engine.job import Lane


@dataclass(frozen=True, slots=True)
class Settings:
    """How one consumer works; times in seconds."""

    name: str
    lanes: Sequence[Lane]
    """Highest first."""
    slots: int
    home: int = 0
    """The partition served first, modulo their number; the others are served when it is empty."""
    lease: float = 10.0
    """Without renewal for so long, an entry may be taken over by another consumer."""
    prefetch: float = 2.0
    """Work that is held ready for each slot, by measured time."""
    drain: float = 20.0
    """How long what is being priced may go on after the consumer was told to leave."""
    exit_when_idle: float | None = None
    """Leave after so long without work; None to stay."""
    attempts: int = 3
    """Deaths of its process after which a chunk is split and a single trade is dead."""


def new_name() -> str:
    """A name that no other consumer has, from host and process for people to find it by."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
