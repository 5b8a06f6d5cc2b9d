"""The command ``consume``: one consumer, which is what a Batch task runs."""

import os
import sys
from contextlib import suppress

import anyio
import click
import structlog

from consumer.drain import Drain, EndAtOnce, on_signals
from consumer.process import consume as serve_grid
from consumer.settings import Settings, new_name
from consumer.slot_memory import LEAST
from consumer.slot_memory import check as check_memory
from engine import logs
from engine.connection import Address
from engine.edge import DONE, INTERRUPTED, redis_option, run_async
from engine.grid import open_grid
from engine.job import Lane
from engine.machine import usable_cores


class _Lanes(click.ParamType[tuple[Lane, ...]]):
    name = "lanes"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Lane, ...]:
        wanted = set(value.split(","))
        if unknown := wanted - set(Lane):
            self.fail(f"{', '.join(sorted(unknown))}: must be of {', '.join(Lane)}", param, ctx)
        return tuple(lane for lane in Lane if lane in wanted)


@click.command()
@redis_option
@click.option(
    "--lane", "lanes", type=_Lanes(), default="realtime,high,bulk", help="Lanes to serve."
)
@click.option(
    "--slots", type=click.IntRange(1, 1024), help="Trades priced at once.  [default: usable cores]"
)
@click.option(
    "--exit-when-idle",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Leave after so long without work.  [default: stay]",
)
@click.option("--home", type=click.IntRange(0), default=0, help="Partition to serve first.")
@click.option(
    "--lease",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    metavar="SECONDS",
    help="Time without a sign of life after which others take over what this one holds.",
)
@click.option(
    "--realtime-lease",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    metavar="SECONDS",
    help="The same for realtime trades.",
)
@click.option(
    "--drain",
    "drain_seconds",
    type=click.FloatRange(0, 3600),
    default=20.0,
    metavar="SECONDS",
    help="Time to finish what is being priced when told to leave.",
)
@click.option(
    "--slot-memory",
    type=click.IntRange(LEAST),
    metavar="MB",
    help="Price in processes, each with so much memory for it (Linux).  [default: no bound]",
)
@click.option(
    "--warm-up",
    type=click.FloatRange(0, 3600),
    default=30.0,
    metavar="SECONDS",
    help="Added to a job's --trade-timeout in a new process, which loads and compiles code.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default=lambda: "console" if sys.stderr.isatty() else "json",
    show_default="console on a terminal, else json",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info"
)
def consume(
    address: Address,
    lanes: tuple[Lane, ...],
    slots: int | None,
    exit_when_idle: float | None,
    home: int,
    lease: float,
    realtime_lease: float,
    drain_seconds: float,
    slot_memory: int | None,
    warm_up: float,
    log_format: logs.LogFormat,
    log_level: str,
) -> None:
    """Price what is queued until told to leave.

    SIGTERM or Ctrl-C: takes nothing more, finishes what is being priced, hands the rest back; a
    second one ends it at once.
    """
    logs.configure(log_format, log_level)
    if slot_memory is not None:
        check_memory()
    settings = Settings(
        new_name(),
        lanes,
        slots or usable_cores(),
        home=home,
        lease=lease,
        realtime_lease=realtime_lease,
        drain=drain_seconds,
        exit_when_idle=exit_when_idle,
        slot_memory=slot_memory,
        warm_up=warm_up,
    )
    code = run_async(_run, address, settings)
    # A thread may still be pricing what was handed back, or importing a pricer, and Python would
    # wait for it.
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


async def _run(address: Address, settings: Settings) -> int:
    """Serve the grid; returns the exit code."""
    drain = Drain()
    code = DONE
    try:
        async with open_grid(address) as grid, anyio.create_task_group() as watchers:
            watchers.start_soon(on_signals, drain)
            await serve_grid(grid, settings, drain)
            watchers.cancel_scope.cancel()
    except* EndAtOnce:
        structlog.get_logger().warning("ended at once: what was held comes back after its lease")
        code = INTERRUPTED
    return code
