"""``azfinsim pool control``: keeps the number of consumers in step with deadlines and cost."""

import signal
from dataclasses import asdict, replace
from typing import Any

import anyio
import click

from engine import logs
from engine.edge import DONE, INTERRUPTED, SHORT, note, print_json, run_async
from engine.job import Lane, iso
from infra.controller.crew import crew_of
from infra.controller.lead import Lead
from infra.controller.look import Lookout
from infra.controller.run import Controller, Look
from infra.controller_options import Asked, control_options
from infra.pool.notice import Notice


@click.command
@control_options
def control(**options: Any) -> int:
    """Keep as many consumers as deadlines need, at the least cost.

    One controller of a lane leads, others stand by. Ctrl-C or SIGTERM: leads no more, and leaves
    the consumers as they are. With --json, one object at the end: what was decided last.
    """
    asked = Asked.of(**options)
    logs.configure(asked.log_format, "info")
    code, look = run_async(_control, asked)
    if asked.as_json:
        print_json(_report(look))
    elif asked.once and look is not None:
        note(look.words)
    return code


async def _control(asked: Asked) -> tuple[int, Look | None]:
    """Control until told to stop, or once; returns the exit code and the last look."""
    async with asked.where.grid() as grid, crew_of(asked.where, asked.order, grid.roster) as crew:
        # The price is a node's, and all else is told of consumers.
        policy = replace(asked.policy, price=asked.policy.price / crew.per_node)
        lane = Lane(asked.order.lane)
        controller = Controller(
            Lead(grid.redis, str(lane), asked.lease, crew=crew.name),
            Lookout(grid, lane, crew.is_ours),
            crew.consumers,
            policy,
            asked.interval,
            Notice(grid.redis, crew.name),
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
        "currency": look.currency,
        "probing": decision.probing,
        "living": seen.living,
        "starting": seen.starting,
        "left": seen.left,
        "jobs": [
            {**asdict(job), "at": iso(job.at), "due": iso(job.due), "late": round(job.late, 1)}
            for job in decision.jobs
        ],
    }
