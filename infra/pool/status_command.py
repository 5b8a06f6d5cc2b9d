"""``azfinsim pool status``: who is there, as Batch sees it and as the grid does."""

from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from engine.address import Address
from engine.edge import DONE, NO_SERVER, print_json, run_async
from engine.errors import AzfinsimError
from infra.pool.consumers import Count
from infra.pool.ground import Ground, as_typed, ground, ground_options
from infra.pool.local import LocalCrew, crews
from infra.pool.plan import Order, PoolLane, check_crew, counted, generation_of
from infra.pool.status_views import show


@click.command()
@click.option("--name", help="This crew alone.")
@ground_options
def status(
    name: str | None,
    local: bool,
    state: Path,
    config: Path | None,
    address: Address | None,
    as_json: bool,
) -> int:
    """Show crews, their consumers, and the pools they are on.

    Exit code 3 if the server that --redis-url names cannot be reached; the rest is shown.
    """
    if name is not None:
        check_crew(name)
    where = ground(local, state, config, address)
    report = run_async(_look, where, name)
    if as_json:
        print_json(report)
    else:
        show(report, as_typed())
    # One that was deployed may be out of reach of a machine that sees the pool.
    return NO_SERVER if address is not None and report["consumers"] is None else DONE


async def _look(where: Ground, name: str | None) -> dict[str, Any]:
    seen = await (_local if where.local else _batch)(where, name)
    return {"where": "local" if where.local else "batch", **seen, **await _grid(where)}


async def _batch(where: Ground, name: str | None) -> dict[str, Any]:
    deployment = where.deployment()
    found = []
    async with where.batch() as service:
        pools = await service.pools([deployment.bulk_pool, deployment.realtime_pool])
        known = {pool.id for pool in pools}
        for job in await service.jobs(f"{name}-" if name else ""):
            generation = generation_of(job.id, name)
            if generation is None or job.pool not in known or job.state == "completed":
                continue
            members = await service.members(job.id, ended=True)
            why = Counter(each.failure for each in members if each.failure)
            crew = {"crew": generation[0], "job": job.id, "state": job.state, "pool": job.pool}
            found.append({**crew, **_told(counted(members)), "failures": dict(why)})
    return {"pools": [asdict(pool) for pool in pools], "crews": found}


async def _local(where: Ground, name: str | None) -> dict[str, Any]:
    found = []
    for each in crews(where.state):
        with suppress(AzfinsimError):
            order = Order(check_crew(each), PoolLane.BULK)
            crew = LocalCrew(where.state, order, None, {})
            if name in (None, each):
                running = {one.name: pid for one in crew.processes() if (pid := one.pid)}
                told = {"crew": each, "logs": str(crew.folder), "pids": running}
                found.append({**told, **_told(await crew.count())})
    return {"crews": found}


def _told(count: Count) -> dict[str, int]:
    return {**asdict(count), "living": count.living}


async def _grid(where: Ground) -> dict[str, Any]:
    """The consumers of the grid, whoever started them; why not, if it cannot be asked.

    The pool can be seen from machines that do not reach the grid.
    """
    try:
        server = where.server()
        async with where.grid() as grid:
            living = await grid.roster.living()
    except AzfinsimError as error:
        return {"server": None, "consumers": None, "grid_error": str(error)}
    return {"server": str(server), "consumers": [asdict(each) for each in living]}
