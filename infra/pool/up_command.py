"""``azfinsim pool up``: have consumers."""

from pathlib import Path
from typing import Any

import anyio
import click

from engine.address import Address
from engine.count import plural
from engine.edge import DONE, SHORT, note, print_json, progress, run_async
from engine.errors import ServerError
from engine.grid import Grid
from infra.pool.ground import Ground, as_typed, crew_options, ground, ground_options, opened, order
from infra.pool.local import LocalCrew
from infra.pool.plan import MOST, Order, PoolLane

IDLE = 300.0
"""Seconds after which a consumer of a bulk pool leaves, if nothing else is said: a node without a
task can be given back, and Batch sees nothing of the grid."""

DAY = 24 * 3600.0
"""How long a consumer of a bulk pool may live, if nothing else is said."""

SERVING = 60.0
"""Seconds that consumers of this machine may take to serve."""


@click.command()
@crew_options
@click.option(
    "--consumers", type=click.IntRange(1, MOST), required=True, help="How many there shall be."
)
@click.option(
    "--slots", type=click.IntRange(1, 1024), help="Of each.  [default: the cores it may use]"
)
@click.option(
    "--exit-when-idle",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Have each leave after so long without work.  [default: 300 on a bulk pool, else stay]",
)
@click.option(
    "--at-most",
    type=click.FloatRange(60),
    metavar="SECONDS",
    help="On Batch, end each after so long.  [default: a day on a bulk pool, else 180 days]",
)
@ground_options
def up(
    lane: str,
    name: str | None,
    consumers: int,
    slots: int | None,
    exit_when_idle: float | None,
    at_most: float | None,
    local: bool,
    state: Path,
    config: Path | None,
    address: Address | None,
    as_json: bool,
) -> int:
    """Have at least so many consumers: what lacks is added, so it may be repeated.

    They outlive the command: `azfinsim pool down` ends them. Exit code 1 if some of this machine
    do not serve.
    """
    if not local and lane == PoolLane.BULK:
        exit_when_idle = IDLE if exit_when_idle is None else exit_when_idle
        at_most = DAY if at_most is None else at_most
    wanted = order(lane, name, slots=slots, exit_when_idle=exit_when_idle, at_most=at_most)
    where = ground(local, state, config, address)
    report = run_async(_local if local else _batch, where, wanted, consumers)
    report = {"crew": wanted.name, "lane": str(wanted.lane), **report}
    if as_json:
        print_json(report)
    else:
        _tell(report)
    return SHORT if report.get("serving", consumers) < consumers else DONE


async def _batch(where: Ground, wanted: Order, consumers: int) -> dict[str, Any]:
    # First what is deployed: who has nothing on Azure needs no SDK.
    deployment = where.deployment()
    from infra.pool.batch_crew import BatchCrew

    async with opened(where, grid=False) as (service, _):
        # To ask for a pool first: Batch takes a job of one that is not there.
        await service.pools([deployment.bulk_pool, deployment.realtime_pool])
        crew = BatchCrew(service, deployment, wanted)
        job, there, added = await crew.add_up_to(consumers)
    return {
        "where": "batch", "pool": job.pool, "job": job.id, "consumers": there, "added": added
    }  # fmt: skip


async def _local(where: Ground, wanted: Order, consumers: int) -> dict[str, Any]:
    crew = where.local_crew(wanted)
    # Before anything is started that could not serve.
    async with where.grid() as grid:
        added = await crew.add_up_to(consumers)
        serving = await _serving(grid, crew)
    there = await crew.count()
    return {
        "where": "local", "logs": str(crew.folder), "consumers": there.living, "added": added,
        "serving": serving,
    }  # fmt: skip


async def _serving(grid: Grid, crew: LocalCrew) -> int:
    """Wait until all of a crew that live serve; returns how many do.

    Raises ServerError if one has ended meanwhile: those that are started alike will, too.
    """
    serving = 0
    started = [each for each in crew.processes() if each.living]
    with progress("consumers", len(started)) as advance, anyio.move_on_after(SERVING):
        while True:
            said = {presence.crew for presence in await grid.roster.living()}
            found = sum(f"{crew.called}/{each.name}" in said for each in started)
            advance(found - serving)
            serving = found
            if serving == len(started):
                break
            for each in started:
                if not each.living and f"{crew.called}/{each.name}" not in said:
                    raise ServerError(
                        f"{each.name} has ended while starting; its log, {each.log}, ends:\n"
                        f"{each.last_words()}"
                    )
            await anyio.sleep(0.1)
    return serving


def _tell(report: dict[str, Any]) -> None:
    there, added, crew = report["consumers"], report["added"], report["crew"]
    where = as_typed()
    end = f"azfinsim pool down --name {crew} --lane {report['lane']}{where}"
    if report["where"] == "local":
        note(f"crew {crew}: {added} started, {report['serving']} serve; logs in {report['logs']}")
        note(f"end them with `{end}`")
        return
    note(
        f"crew {crew}: {plural(added, 'consumer')} added, {there} there, as tasks of job "
        f"{report['job']} on pool {report['pool']}"
    )
    note(f"watch them with `azfinsim pool status{where}`, end them with `{end}`")
