"""Drain: when a consumer leaves, and why (G7)."""

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import anyio
import structlog

Ts = TypeVarTuple("Ts")

log = structlog.get_logger()


class EndAtOnce(BaseException):
    """A second signal: somebody is out of patience. No Exception, lest something retry it."""


class Drain:
    """Whether the consumer was told to leave."""

    def __init__(self) -> None:
        self._begun = anyio.Event()

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def begin(self, reason: str) -> None:
        """Take nothing more, finish what is quick, hand back the rest."""
        if not self.begun:
            self._begun.set()
            log.info("leaving", reason=reason)

    async def wait(self) -> None:
        await self._begun.wait()

    async def cuts_short(self, call: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Make a call that may take for ever, and leave it when told to leave."""
        async with anyio.create_task_group() as group:

            async def cut() -> None:
                await self.wait()
                group.cancel_scope.cancel()

            group.start_soon(cut)
            await call(*args)
            group.cancel_scope.cancel()


async def on_signals(drain: Drain) -> None:
    """Drain on the first SIGTERM or SIGINT; raise EndAtOnce on the second."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if drain.begun:
                raise EndAtOnce
            drain.begin(signal.Signals(number).name)
