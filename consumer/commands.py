"""The command ``consume``: one consumer, which is what a Batch task runs."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event

import anyio
import click
import structlog

from consumer import eviction, harvest, simulated_fleet
from consumer.drain import Drain, EndAtOnce, on_signals
from consumer.place import Place
from consumer.process import consume as serve_grid
from consumer.settings import Settings
from consumer.slot_memory import LEAST
from consumer.slot_memory import check as check_memory
from engine import logs
from engine.connection import Address
from engine.edge import DONE, INTERRUPTED, exit_code, redis_option, run_async
from engine.grid import open_grid
from engine.job import Lane
from engine.machine import usable_cores
from engine.names import check_name
from engine.telling import logging_to, telling


class _Lanes(click.ParamType[tuple[Lane, ...]]):
    name = "lanes"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Lane, ...]:
        wanted = set(value.split(","))
        if unknown := wanted - set(Lane):
            self.fail(f"{', '.join(sorted(unknown))}: must be of {', '.join(Lane)}", param, ctx)
        return tuple(lane for lane in Lane if lane in wanted)


class _CrewMember(click.ParamType[str]):
    name = "member"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value and "/" not in value:
            self.fail(f"{value!r}: must be CREW/MEMBER", param, ctx)
        for part in value.split("/", 1) if value else ():
            check_name("crew and member", part)
        return value


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
    "--simulate",
    type=click.IntRange(1),
    hidden=True,  # For `loadtest fleet` alone: a grid of one's own has no use for it.
    help="Be so many consumers whose slots sleep for as long as a synthetic job says.",
)
@click.option(
    "--crew",
    type=_CrewMember(),
    envvar="AZFINSIM_CREW",
    metavar="CREW/MEMBER",
    default="",
    help="What `pool up` calls it, and tells to leave.",
)
@click.option(
    "--harvest-file",
    type=click.Path(path_type=Path),
    envvar="AZFINSIM_HARVEST_FILE",
    default=harvest.POOL,
    metavar="FILE",
    help="Where Hyper-V says how many cores there are now; followed unless --slots is told.",
)
@click.option(
    "--metadata-url",
    envvar="AZFINSIM_METADATA_URL",
    metavar="URL",
    help="Of Azure's metadata service, asked for eviction.  [default: Azure's, on a Spot node]",
)
@click.option(
    "--logs",
    "logs_at",
    envvar="AZFINSIM_LOGS",
    metavar="PLACE",
    help="Send the log there besides, while it is written: az://ACCOUNT/CONTAINER, or a folder.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default=lambda: "console" if sys.stderr.isatty() else "json",
    show_default=False,
    help="[default: console on a terminal, else json]",
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
    crew: str,
    harvest_file: Path,
    metadata_url: str | None,
    simulate: int | None,
    logs_at: str | None,
    log_format: logs.LogFormat,
    log_level: str,
) -> None:
    """Price what is queued until told to leave.

    SIGTERM or Ctrl-C: takes nothing more, finishes what is being priced, hands the rest back; a
    second one ends it at once.
    """
    place = Place.of(os.environ)
    if slot_memory is not None:
        check_memory()
    settings = Settings(
        place.new_name(),
        lanes,
        slots or usable_cores(),
        home=home,
        lease=lease,
        realtime_lease=realtime_lease,
        drain=drain_seconds,
        exit_when_idle=exit_when_idle,
        slot_memory=slot_memory,
        warm_up=warm_up,
        crew=crew,
        place=place,
        harvest=harvest_file if slots is None else None,
        metadata=metadata_url or (eviction.METADATA if place.spot else None),
    )
    with (
        logging_to(logs_at, f"{place.path}/{settings.name}", log_format, log_level),
        telling("consumer", settings.name),
    ):
        structlog.contextvars.bind_contextvars(**place.labels)
        begun = Event()
        try:
            code = run_async(_run, address, settings, simulate, begun)
        except BaseException as error:
            if not begun.is_set():
                raise
            code = exit_code(error)
    # A thread may still be pricing what was handed back, or importing a pricer, and Python would
    # wait for it.
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


async def _run(address: Address, settings: Settings, simulate: int | None, begun: Event) -> int:
    """Serve the grid, which is ``begun`` once something may be priced; returns the exit code."""
    drain = Drain()
    code = DONE
    try:
        if simulate is not None:
            await simulated_fleet.serve(address, settings, simulate)
            return code
        async with open_grid(address) as grid, anyio.create_task_group() as watchers:
            watchers.start_soon(on_signals, drain)
            if settings.metadata is not None:
                watchers.start_soon(eviction.run, drain, settings.metadata)
            begun.set()
            await serve_grid(grid, settings, drain)
            watchers.cancel_scope.cancel()
    except* EndAtOnce:
        structlog.get_logger().warning("ended at once: what was held comes back after its lease")
        code = INTERRUPTED
    return code
