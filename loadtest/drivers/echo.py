"""``python -m loadtest.drivers.echo``: answers realtime calls at once, unpriced, until told to end.

What a call takes when nothing is priced: the server, its scripts and both ways. It takes as many
calls as there are in one exchange, and answers them in another.
"""

import argparse
import os
import secrets
import signal
import time

import anyio
import structlog

from engine import logs
from engine.call import Call, Reply
from engine.connection import Address
from engine.edge import run_async
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.roster import TIME_TO_LIVE, Presence

AT_ONCE = 500
"""Calls taken in one exchange."""

WAIT_MS = 200
"""A blocking read ends after so long."""


async def serve(address: Address, slots: int) -> None:
    """Answer calls until SIGTERM."""
    name = f"echo-{secrets.token_hex(4)}"
    async with open_grid(address) as grid, anyio.create_task_group() as tasks:
        await grid.calls.ensure_groups([Lane.REALTIME])
        presence = Presence(name, [Lane.REALTIME], slots, os.getpid())
        # At once: who reads that it serves looks for it on the roster.
        await grid.roster.announce(presence)
        tasks.start_soon(_announce, grid, presence)
        for partition in range(grid.partitions):
            tasks.start_soon(_answer, grid, partition, name)
        structlog.get_logger().info("serving", consumer=name)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
        tasks.cancel_scope.cancel()


async def _announce(grid: Grid, presence: Presence) -> None:
    while True:
        await anyio.sleep(TIME_TO_LIVE / 3)
        await grid.roster.announce(presence)


async def _answer(grid: Grid, partition: int, name: str) -> None:
    while True:
        taken = await grid.calls.take(name, partition, [Lane.REALTIME], AT_ONCE, WAIT_MS)
        now = time.time() * 1000
        calls = [each for each in taken if isinstance(each, Call)]
        # By this machine's clock, which is the server's: it is started for the test, here.
        replies = [(call, _reply(call, name, max(now - call.queued_ms, 0.0))) for call in calls]
        await grid.calls.answer(replies)


def _reply(call: Call, name: str, queued_ms: float) -> Reply:
    record = {"id": call.trade["id"], "pv": 0.0, "attempts": 1, "ms": 0.0, "outcome": "priced"}
    return Reply(call.call, record, name, queued_ms)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--log-format", default="json")
    parser.add_argument("--slots", type=int, default=1)
    told = parser.parse_args()
    logs.configure(told.log_format, "info")
    run_async(serve, Address.parse(os.environ["AZFINSIM_REDIS_URL"], os.environ), told.slots)
