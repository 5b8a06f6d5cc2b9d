"""``azfinsim pool control``: keeps the number of consumers in step with deadlines and cost.

And ``pool simulate``, which shows what that is worth.
"""

import signal
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import click

from engine import logs
from engine.connection import Address
from engine.edge import (
    DONE,
    INTERRUPTED,
    SHORT,
    note,
    print_json,
    run_async,
)
from engine.errors import UsageError
from engine.job import Lane, iso
from engine.machine import usable_cores
from infra.controller.compare import all_rows, table
from infra.controller.crew import crew_of
from infra.controller.lead import Lead
from infra.controller.look import Lookout
from infra.controller.model import HOUR, Policy
from infra.controller.run import Controller, Look
from infra.pool.ground import Ground, crew_options, ground, ground_options, order
from infra.pool.plan import Order, PoolLane

NODE_STARTS, PROCESS_STARTS = 240.0, 5.0
"""Seconds until a consumer serves that was asked for: on Azure Batch, on this machine."""

IDLE, DAY = 2 * NODE_STARTS, 24 * HOUR
"""Seconds without work after which a consumer leaves by itself; that one of Batch lives at most."""

MOST_BETWEEN = 300.0
"""Seconds between looks: from any two that are much further apart nothing can be learnt."""

_MONEY = click.FloatRange(0)
_SECONDS = click.FloatRange(0.1, 86_400)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks of a controller, but for its policy."""

    where: Ground
    order: Order
    interval: float
    lease: float
    dry: bool
    once: bool


@click.command
@crew_options
@click.option("--floor", type=click.IntRange(0), default=0, help="Consumers, at least.")
@click.option("--ceiling", type=click.IntRange(0, 10_000), default=100, help="At most.")
@click.option("--price", type=_MONEY, default=0.0, metavar="EUR", help="Of a node, an hour.")
@click.option("--budget", type=_MONEY, metavar="EUR", help="For a run, until all is done.")
@click.option("--hourly-budget", "hourly", type=_MONEY, metavar="EUR", help="For an hour.")
@click.option(
    "--slots-per-consumer",
    "slots",
    type=click.IntRange(1, 1024),
    help="Of those that are started.  [default: --local this machine's cores, else what the first "
    "that serve have]",
)
@click.option(
    "--startup",
    type=_SECONDS,
    metavar="SECONDS",
    help="Until a consumer serves that was asked for.  [default: 240, local 5]",
)
@click.option(
    "--within",
    type=_SECONDS,
    default=HOUR,
    metavar="SECONDS",
    help="Have jobs without --by done in so long.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0.001, 60),
    default=0.05,
    metavar="SECONDS",
    help="For realtime: what 99 of 100 calls wait for a slot at most.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, MOST_BETWEEN),
    default=15.0,
    metavar="SECONDS",
    help="Between looks.",
)
@click.option(
    "--lease",
    type=click.FloatRange(0.5, 3600),
    default=30.0,
    metavar="SECONDS",
    help="Without a sign of life of this controller, after which another leads.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")
@click.option("--once", is_flag=True, help="Look and act once; for a timer.")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default=lambda: "console" if sys.stderr.isatty() else "json",
    show_default="console on a terminal, else json",
)
@ground_options
def control(
    lane: str,
    name: str | None,
    local: bool,
    state: Path,
    config: Path | None,
    address: Address | None,
    as_json: bool,
    slots: int | None,
    startup: float | None,
    price: float,
    interval: float,
    lease: float,
    dry: bool,
    once: bool,
    log_format: logs.LogFormat,
    **policy: Any,
) -> int:
    """Keep as many consumers as deadlines need, at the least cost.

    One controller of a lane leads, others stand by. Ctrl-C or SIGTERM: leads no more, and leaves
    the consumers as they are. With --json, one object at the end: what was decided last.
    """
    logs.configure(log_format, "info")
    each = _policy(lane, local, slots, startup, price, policy)
    wanted = order(
        lane,
        name,
        slots=slots,
        # Should no controller be there, they leave nevertheless; a floor has to stay.
        exit_when_idle=IDLE if lane == PoolLane.BULK and not each.floor else None,
        at_most=DAY if lane == PoolLane.BULK and not local else None,
    )
    where = ground(local, state, config, address)
    asked = Asked(where, wanted, interval, lease, dry, once)
    code, look = run_async(_control, asked, each)
    if as_json:
        print_json(_report(look))
    elif once and look is not None:
        note(look.words)
    return code


def _policy(
    lane: str,
    local: bool,
    slots: int | None,
    startup: float | None,
    price: float,
    more: dict[str, Any],
) -> Policy:
    """The policy that was asked for; raises UsageError where its options do not go together."""
    policy = Policy(
        # Of the pool's machines nobody here knows the cores.
        slots=slots or (usable_cores() if local else 1),
        assumed=slots is None and not local,
        startup=startup or (PROCESS_STARTS if local else NODE_STARTS),
        price=price,
        **more,
    )
    for option, told in (("--budget", policy.budget), ("--hourly-budget", policy.hourly)):
        if told is not None and not price:
            raise UsageError(
                f"{option} {told:g} without --price bounds nothing: tell what a node costs an hour "
                "with --price"
            )
    if policy.budget is not None and lane == PoolLane.REALTIME:
        raise UsageError(
            f"--budget {policy.budget:g} is for a run until all is done, and --lane realtime never "
            "is: use --hourly-budget"
        )
    if policy.floor > policy.ceiling:
        raise UsageError(
            f"--floor {policy.floor} is more than --ceiling {policy.ceiling}: lower the one or "
            "raise the other"
        )
    return policy


async def _control(asked: Asked, policy: Policy) -> tuple[int, Look | None]:
    """Control until told to stop, or once; returns the exit code and the last look."""
    async with asked.where.grid() as grid, crew_of(asked.where, asked.order, grid.roster) as crew:
        # The price is a node's, and all else is told of consumers.
        policy = replace(policy, price=policy.price / crew.per_node)
        lane = Lane(asked.order.lane)
        controller = Controller(
            Lead(grid.redis, str(lane), asked.lease),
            Lookout(grid, lane, crew.is_ours),
            crew.consumers,
            policy,
            asked.interval,
            asked.dry,
        )
        # What is wrong with the pool for good is told before anything begins.
        await crew.consumers.count()
        if asked.once:
            return DONE if await controller.run_once() else SHORT, controller.latest
        return await _until_told(controller), controller.latest


async def _until_told(controller: Controller) -> int:
    code = DONE
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            nonlocal code
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    if controller.stop.is_set():
                        code = INTERRUPTED
                        group.cancel_scope.cancel()
                    controller.stop.set()

        group.start_soon(listen)
        await controller.run()
        group.cancel_scope.cancel()
    return code


def _report(look: Look | None) -> dict[str, object]:
    if look is None:
        return {"leads": False}
    decision, seen = look.decision, look.seen
    return {
        "leads": True,
        "words": look.words,
        "consumers": decision.consumers,
        "least": decision.least,
        "bound": decision.bound,
        "cost": round(decision.cost, 4) if decision.cost is not None else None,
        "probing": decision.probing,
        "living": seen.living,
        "starting": seen.starting,
        "left": seen.left,
        "jobs": [
            {**asdict(job), "at": iso(job.at), "due": iso(job.due), "late": round(job.late, 1)}
            for job in decision.jobs
        ],
    }


@click.command
def simulate() -> None:
    """Compare the controller with other ways to scale, on recorded loads.

    Prints the table of docs/controller.md. Nothing is started, no server is needed.
    """
    click.echo(table(all_rows()), nl=False)
