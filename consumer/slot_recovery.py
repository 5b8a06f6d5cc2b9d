"""What a slot does whose process cannot be started: it waits, for others to take its work."""

import anyio
import structlog

from consumer.drain import Drain
from consumer.slot_process import NotStarted, SlotProcess
from engine.backoff import delay

log = structlog.get_logger()


async def recover(process: SlotProcess, error: NotStarted, drain: Drain) -> None:
    """Give the machine time, more of it each time, before the slot takes something else.

    To be called when what the slot had was given back: others may have more luck with it.
    """
    log.warning("left to others", reason=str(error), times=process.not_started)
    with anyio.move_on_after(delay(process.not_started)):
        await drain.wait()
