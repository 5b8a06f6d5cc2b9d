"""``azfinsim pool down``: have consumers no more, or fewer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import click
from redis.exceptions import RedisError

from engine.address import Address
from engine.edge import DONE, note, print_json, progress, run_async
from engine.errors import ServerError, UsageError
from infra.pool.consumers import Consumers, Count
from infra.pool.ground import Ground, crew_options, ground, ground_options, opened, order
from infra.pool.local import DRAIN, present
from infra.pool.notice import Notice
from infra.pool.plan import MOST, Order

PATIENCE = 120.0
"""Seconds that consumers have to leave, if nothing else is said: to hear of it, to finish what they
are pricing, and for Batch to notice. Processes of this machine hear of it at once."""

GRACE = 10.0
"""Seconds in which a process of this machine that has drained ends."""

TO_TELL = 10.0
"""Seconds that telling controllers may take: consumers can be ended without."""

Report = dict[str, Any]


@click.command()
@crew_options
@click.option("--now", is_flag=True, help="End them at once; others price again what they held.")
@click.option("--keep", type=click.IntRange(1, MOST), help="Leave so many; do not wait.")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help=f"Then end those by force that have not left.  [default: {PATIENCE:g}]",
)
@ground_options
def down(
    lane: str,
    name: str | None,
    now: bool,
    keep: int | None,
    patience: float | None,
    local: bool,
    state: Path,
    config: Path | None,
    address: Address | None,
    as_json: bool,
) -> int:
    """End a crew: each finishes what it prices, hands back the rest, and leaves.

    Nothing is lost, however it ends: what a consumer still held is priced by others.
    """
    at_most = 0.0 if now else patience
    if at_most is None:
        at_most = DRAIN + GRACE if local else PATIENCE
    wanted = order(lane, name)
    where = ground(local, state, config, address)
    report = run_async(_local if local else _batch, where, wanted, keep, at_most)
    report = {"crew": wanted.name, "where": "local" if local else "batch", **report}
    if as_json:
        print_json(report)
    else:
        _tell(report)
    return DONE


async def _batch(where: Ground, wanted: Order, keep: int | None, at_most: float) -> Report:
    # First what is deployed: who has nothing on Azure needs no SDK.
    deployment = where.deployment()
    from infra.pool.batch_crew import BatchCrew

    controller = await _tell_controllers(where, wanted, wanted.name, keep)
    async with opened(where, grid=at_most > 0 or keep is not None) as (service, grid):
        roster = grid.roster if grid is not None else None
        crew = BatchCrew(service, deployment, wanted, roster)
        if keep is not None:
            return await _keep(crew, keep)
        before = await crew.count()
        with _shown(before) as watch:
            return _ended(before, await crew.end(at_most, watch), controller)


async def _local(where: Ground, wanted: Order, keep: int | None, at_most: float) -> Report:
    crew = where.local_crew(wanted, may_start=False)
    there = crew.folder.is_dir()
    # Processes of this machine can be ended without a server; then nobody can be told.
    known = where.address is not None
    controller = (
        await _tell_controllers(where, wanted, crew.called, keep, there=there) if known else None
    )
    if not there:
        # A crew that never was is not made by ending it.
        return {**_ended(Count(), 0, controller), "present": present(where.state)}
    if keep is not None:
        return await _keep(crew, keep)
    before = await crew.count()
    with _shown(before) as watch:
        return _ended(before, await crew.end(at_most, watch), controller)


async def _tell_controllers(
    where: Ground, wanted: Order, crew: str, keep: int | None, *, there: bool = True
) -> str | None:
    """Have the controllers of a crew end, for they would start it again; returns who leads.

    Nothing is written for a crew that is not ``there`` and that nobody keeps. Raises UsageError if
    some are to stay and a controller decides how many.
    """
    try:
        with anyio.fail_after(TO_TELL):
            async with where.grid() as grid:
                notice = Notice(grid.redis, crew)
                leader = await notice.controller(str(wanted.lane))
                if keep is None and (there or leader is not None):
                    await notice.give()
    except (ServerError, RedisError, TimeoutError) as error:
        why = str(error).splitlines()[0] if str(error) else "the server does not answer"
        note(f"a controller of crew {wanted.name}, if there is one, is not told: {why}")
        return None
    if keep is not None and leader is not None:
        raise UsageError(
            f"--keep {keep}: controller {leader} keeps crew {wanted.name}, and would change that "
            "again: end it (Ctrl-C, SIGTERM), or start it with another --ceiling"
        )
    return leader


async def _keep(crew: Consumers, keep: int) -> Report:
    there = (await crew.count()).living
    leaving = -await crew.set(min(keep, there))
    return {"consumers": there - leaving, "leaving": leaving}


def _ended(before: Count, by_force: int, controller: str | None) -> Report:
    left = _present(before) - by_force
    return {"consumers": 0, "left": left, "by_force": by_force, "controller": controller}


def _present(count: Count) -> int:
    return count.living + count.leaving


@contextmanager
def _shown(before: Count) -> Iterator[Callable[[Count], None]]:
    """Show how many have left."""
    told = 0
    with progress("leaving", _present(before)) as advance:

        def watch(count: Count) -> None:
            nonlocal told
            gone = _present(before) - _present(count)
            advance(gone - told)
            told = gone

        yield watch


def _tell(report: Report) -> None:
    crew = report["crew"]
    if report.get("controller"):
        note(f"controller {report['controller']} of crew {crew} was told to end, and its stand-bys")
    if "leaving" in report:
        note(f"crew {crew}: {report['leaving']} told to leave, {report['consumers']} stay")
    elif "present" in report:
        here = ", ".join(report["present"])
        note(f"there is no crew {crew} here; " + (f"there are: {here}" if here else "nor another"))
    elif not report["left"] + report["by_force"]:
        note(f"crew {crew}: there are none")
    else:
        forced = f", {report['by_force']} ended by force" if report["by_force"] else ""
        note(f"crew {crew}: {report['left']} have left{forced}")
