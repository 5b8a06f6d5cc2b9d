"""What all faults have in common."""

from dataclasses import dataclass
from typing import Protocol

from loadtest.chaos.ground import Ground


class Fault(Protocol):
    """One fault: it strikes once and is healed once."""

    async def strike(self) -> str:
        """Do harm; returns what was done, in words, "" if there was nothing to be harmed."""

    async def heal(self) -> None:
        """Undo it, if it does not pass by itself."""


@dataclass(slots=True)
class Striking:
    """The base of the faults: whom it strikes; healed by time alone."""

    ground: Ground
    target: int

    async def heal(self) -> None:
        """Nothing is left to be done."""
