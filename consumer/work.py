"""Whether a consumer has work, of any lane."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio


@dataclass(slots=True)
class Work:
    """When there was work last, of any lane."""

    held: list[Callable[[], int]] = field(default_factory=list)
    """Each says how many entries of its lanes are in hand."""
    latest: float = field(default_factory=anyio.current_time)

    def seen(self) -> None:
        """Entries have come, though they may be gone when somebody looks."""
        self.latest = anyio.current_time()

    def idle(self) -> float:
        """Seconds without work."""
        if any(held() for held in self.held):
            self.seen()
        return anyio.current_time() - self.latest
