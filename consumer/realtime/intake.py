"""Intake: takes calls as they come, while there is room for them (G8)."""

from anyio.lowlevel import checkpoint

from consumer.intake import WAIT_MS
from consumer.patience import patiently
from consumer.realtime.desk import RealtimeDesk
from engine.job import Lane

LANES = (Lane.REALTIME,)


async def run(desk: RealtimeDesk, partition: int) -> None:
    """Take the calls of one partition until the consumer drains."""
    settings, drain = desk.desk.settings, desk.desk.drain
    take = desk.desk.grid.calls.take
    while not drain.begun:
        if not (room := desk.pace.room(len(desk.holdings))):
            await desk.holdings.change()
            continue
        calls = await patiently("intake", take, settings.name, partition, LANES, room, WAIT_MS)
        if calls:
            await desk.accept(calls)
            # Slots first: to ask for more takes as long as to start what has come.
            await checkpoint()
