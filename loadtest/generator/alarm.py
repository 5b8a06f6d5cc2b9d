"""An alarm clock that is exact to some tens of microseconds, for an event loop's main thread.

An event loop's own timers know whole milliseconds only: each request would be sent up to one too
late. Waiting awake would be exact, at the cost of a core that consumers may need.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Alarm:
    """Wakes one task; made by ``alarm``."""

    def __init__(self) -> None:
        self._rings = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return after so many seconds, and let others have their turn even if there are none."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._rings.clear()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        await self._rings.wait()

    def ring(self) -> None:
        self._rings.set()


@contextmanager
def alarm() -> Iterator[Alarm]:
    """An alarm while the body runs; the process has but one (SIGALRM)."""
    loop, made = asyncio.get_running_loop(), Alarm()
    loop.add_signal_handler(signal.SIGALRM, made.ring)
    try:
        yield made
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        loop.remove_signal_handler(signal.SIGALRM)
