"""``python -m loadtest.drivers.taskiq_worker``: one worker process of the peer, until SIGTERM."""

import argparse
import os
import secrets
import signal

import anyio
import structlog
from taskiq.api import run_receiver_task

from engine import logs
from engine.connection import Address
from engine.edge import run_async
from engine.pricing.warm import warm
from loadtest.drivers.taskiq_tasks import broker_at

TASKS = 20
"""That a worker has under way at a time."""


async def serve(url: str, slots: int, ahead: int) -> None:
    """Work with so many threads; ``ahead`` messages of each stream are read at once."""
    broker = broker_at(url, ahead)
    await broker.startup()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_work, broker, slots)
            structlog.get_logger().info("serving", consumer=f"taskiq-{secrets.token_hex(4)}")
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    break
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await broker.shutdown()


async def _work(broker: object, slots: int) -> None:
    await run_receiver_task(
        broker,  # type: ignore[arg-type]  # it would have to be told of twice
        sync_workers=slots,
        validate_params=False,
        max_async_tasks=max(TASKS, slots),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--log-format", default="json")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--ahead", type=int, default=1)
    told = parser.parse_args()
    logs.configure(told.log_format, "info")
    # As a consumer of the grid is: ready when its kernels are.
    warm()
    address = Address.parse(os.environ["AZFINSIM_REDIS_URL"], os.environ)
    run_async(serve, address.url, told.slots, told.ahead)
