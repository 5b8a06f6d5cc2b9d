"""What ``azfinsim job submit`` asks, and the job that comes of it.

Only command modules import this.
"""

import math
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

import click

from engine.errors import UsageError
from engine.job import Job, Lane
from engine.names import check_name
from engine.pricing import registry
from producer.generate import MAX_SEED
from producer.options import book_option
from producer.plan import Span

F = TypeVar("F", bound=Callable[..., Any])


class Amount(click.FloatRange):
    """A finite number; click's own range lets NaN pass."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


_OPTIONS = (
    click.option("--algorithm", default="pvonly", help="pvonly, deltavega, synthetic, or yours."),
    book_option,
    click.option("--name", help="The job's name; one is made up if none is given."),
    click.option("--trades", metavar="FIRST:COUNT", help="Price only these; all if not given."),
    click.option("--paths", type=click.IntRange(1, 2**31), help="In place of the trades' own."),
    click.option(
        "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Of the random numbers."
    ),
    click.option("--lane", type=click.Choice(["high", "bulk"]), default="bulk", help="Priority."),
    click.option("--chunk", type=click.IntRange(1, 10_000), default=100, help="Trades an entry."),
    click.option(
        "--failure", type=Amount(0, 1), default=0.0, help="Fail trades with this probability."
    ),
    click.option("--task-duration", type=Amount(0), metavar="MS", help="For synthetic, a trade."),
    click.option("--mem-usage", type=Amount(0), metavar="MB", help="For synthetic."),
)


def job_options(command: F) -> F:
    """Give a command the options that ``request_of`` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def request_of(
    *,
    algorithm: str,
    name: str | None,
    trades: str | None,
    lane: str,
    task_duration: float | None,
    mem_usage: float | None,
    **same: Any,
) -> Job:
    """The job that is asked for, without its times; raises UsageError if it cannot be."""
    amounts = {"task_duration": task_duration, "mem_usage": mem_usage}
    options = {option: value for option, value in amounts.items() if value is not None}
    if options and algorithm != "synthetic":
        told = " and ".join("--" + option.replace("_", "-") for option in options)
        raise UsageError(f"{told}: only for --algorithm synthetic, not {algorithm}")
    if name is None:
        # Names sort by time; the rest tells apart those of the same second.
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    return Job(
        name=check_name("job", name),
        algorithm=algorithm,
        trades=str(Span.parse(trades)) if trades is not None else None,
        lane=Lane(lane),
        options=options,
        pricer_version=registry.find(algorithm).version,
        azfinsim_version=version("azfinsim"),
        **same,
    )
