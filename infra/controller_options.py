"""What ``azfinsim pool control`` is asked: its options, and what they come to."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engine import logs
from engine.connection import Address
from engine.errors import UsageError
from engine.machine import usable_cores
from infra.controller.model import HOUR, Policy
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


class _Currency(click.ParamType[str]):
    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (len(value) == 3 and value.isascii() and value.isalpha()):
            self.fail(f"{value!r}: must be three letters, as USD or EUR", param, ctx)
        return value.upper()


_OPTIONS = (
    crew_options,
    click.option("--floor", type=click.IntRange(0), default=0, help="Consumers, at least."),
    click.option("--ceiling", type=click.IntRange(0, 10_000), default=100, help="At most."),
    click.option("--price", type=_MONEY, default=0.0, metavar="MONEY", help="Of a node, an hour."),
    click.option(
        "--currency",
        type=_Currency(),
        default="USD",
        show_default=True,
        help="Of price and budgets; shown with them, not converted.",
    ),
    click.option("--budget", type=_MONEY, metavar="MONEY", help="For a run, until all is done."),
    click.option("--hourly-budget", "hourly", type=_MONEY, metavar="MONEY", help="For an hour."),
    click.option(
        "--slots-per-consumer",
        "slots",
        type=click.IntRange(1, 1024),
        help="Of those that are started.  [default: --local this machine's cores, else what the "
        "first that serve have]",
    ),
    click.option(
        "--startup",
        type=_SECONDS,
        metavar="SECONDS",
        help="Until a consumer serves that was asked for.  [default: 240, local 5]",
    ),
    click.option(
        "--within",
        type=_SECONDS,
        default=HOUR,
        metavar="SECONDS",
        help="Have jobs without --by done in so long.",
    ),
    click.option(
        "--wait",
        type=click.FloatRange(0.001, 60),
        default=0.05,
        metavar="SECONDS",
        help="For realtime: what 99 of 100 calls wait for a slot at most.",
    ),
    click.option(
        "--interval",
        type=click.FloatRange(0.1, MOST_BETWEEN),
        default=15.0,
        metavar="SECONDS",
        help="Between looks.",
    ),
    click.option(
        "--lease",
        type=click.FloatRange(0.5, 3600),
        default=30.0,
        metavar="SECONDS",
        help="Without a sign of life of this controller, after which another leads.",
    ),
    click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done."),
    click.option("--once", is_flag=True, help="Look and act once; for a timer."),
    click.option(
        "--log-format",
        type=click.Choice(["console", "json"]),
        default=lambda: "console" if sys.stderr.isatty() else "json",
        show_default=False,
        help="[default: console on a terminal, else json]",
    ),
    ground_options,
)


def control_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options of ``pool control``; ``Asked.of`` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asks of a controller."""

    where: Ground
    order: Order
    policy: Policy
    interval: float
    lease: float
    dry: bool
    once: bool
    log_format: logs.LogFormat
    as_json: bool

    @classmethod
    def of(
        cls,
        lane: str,
        name: str | None,
        local: bool,
        state: Path,
        config: Path | None,
        address: Address | None,
        **told: Any,
    ) -> "Asked":
        """Read the options; raises UsageError where they do not go together."""
        own = {key: told.pop(key) for key in _OWN}
        policy = _policy(lane, local, **told)
        wanted = order(
            lane,
            name,
            slots=told["slots"],
            # Should no controller be there, they leave nevertheless; a floor has to stay.
            exit_when_idle=IDLE if lane == PoolLane.BULK and not policy.floor else None,
            at_most=DAY if lane == PoolLane.BULK and not local else None,
        )
        where = ground(local, state, config, address)
        return cls(where=where, order=wanted, policy=policy, **own)


_OWN = ("interval", "lease", "dry", "once", "log_format", "as_json")
"""The options that are a controller's own, and no policy."""


def _policy(
    lane: str, local: bool, *, slots: int | None, startup: float | None, **more: Any
) -> Policy:
    """The policy that was asked for; raises UsageError where its options do not go together."""
    policy = Policy(
        # Of the pool's machines nobody here knows the cores.
        slots=slots or (usable_cores() if local else 1),
        assumed=slots is None and not local,
        startup=startup or (PROCESS_STARTS if local else NODE_STARTS),
        **more,
    )
    for option, told in (("--budget", policy.budget), ("--hourly-budget", policy.hourly)):
        if told is not None and not policy.price:
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
