"""What ``azfinsim job submit`` asks, and the job that comes of it.

Only command modules import this.
"""

import math
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

import click

from engine.errors import UsageError
from engine.job import Job, Lane
from engine.names import check_name
from engine.pricing import registry
from engine.pricing.pricer import Pricer
from producer.deadline import WAYS, parse_deadline
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


def accuracy_option(default: str = "") -> Callable[[F], F]:
    """``--accuracy``; ``default`` says what happens without it."""
    return click.option(
        "--accuracy",
        # Above 1 an error is as large as the value: somebody thinks in percent.
        type=Amount(0, 1, min_open=True),
        metavar="X",
        help=f"Simulate until a trade's relative standard error is at most X.{default}",
    )


_OPTIONS = (
    click.option(
        "--algorithm", default="pvonly", help="pvonly, deltavega, european, synthetic, or yours."
    ),
    book_option,
    click.option("--name", help="The job's name; one is made up if none is given."),
    click.option("--trades", metavar="FIRST:COUNT", help="Price only these; all if not given."),
    click.option(
        "--paths",
        type=click.IntRange(1, 2**31),
        help="In place of the trades' own; with --accuracy, the most a trade may take.",
    ),
    accuracy_option(),
    click.option(
        "--greeks-per",
        type=click.Choice(["unit", "basis-point"]),
        help="For deltavega: of spot and of volatility.  [default: unit]",
    ),
    click.option(
        "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Of the random numbers."
    ),
    click.option("--lane", type=click.Choice(["high", "bulk"]), default="bulk", help="Priority."),
    click.option("--after", metavar="JOB", help="Run once that job has ended well."),
    click.option("--after-any", metavar="JOB", help="Run once that job has ended, well or not."),
    click.option(
        "--by",
        metavar="TIME",
        help=f"When it is to be done, for `pool control`: {WAYS}.",
    ),
    click.option("--chunk", type=click.IntRange(1, 10_000), default=100, help="Trades an entry."),
    click.option(
        "--trade-timeout",
        type=Amount(0, 30 * 24 * 3600, min_open=True),
        metavar="SECONDS",
        help="Give up a trade that takes longer.  [default: never]",
    ),
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
    accuracy: float | None,
    greeks_per: str | None = None,
    after: str | None = None,
    after_any: str | None = None,
    by: str | None = None,
    **same: Any,
) -> Job:
    """The job that is asked for, without its times; raises UsageError if it cannot be."""
    pricer = registry.find(algorithm)
    if accuracy is not None and not simulates(pricer):
        raise UsageError(f"--accuracy: only for an algorithm that simulates paths, not {algorithm}")
    if after is not None and after_any is not None:
        raise UsageError("--after and --after-any: a job follows one other, choose one of the two")
    synthetic = {"task_duration": task_duration, "mem_usage": mem_usage}
    greeks = {"greeks_per": greeks_per.replace("-", "_") if greeks_per is not None else None}
    options = {
        **_only_for("synthetic", algorithm, synthetic),
        **_only_for("deltavega", algorithm, greeks),
    }
    if name is None:
        # Names sort by time; the rest tells apart those of the same second.
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    return Job(
        name=check_name("job", name),
        algorithm=algorithm,
        trades=str(Span.parse(trades)) if trades is not None else None,
        lane=Lane(lane),
        options=options,
        accuracy=accuracy,
        after=after if after_any is None else after_any,
        after_any=after_any is not None,
        by=parse_deadline(by, datetime.now().astimezone()) if by is not None else None,
        pricer_version=pricer.version,
        azfinsim_version=version("azfinsim"),
        **same,
    )


def simulates(pricer: Pricer) -> bool:
    """Whether a pricer simulates paths, and so may know ``--accuracy``."""
    return "paths" in pricer.schema


def _only_for(knows: str, algorithm: str, asked: Mapping[str, object]) -> dict[str, object]:
    """The options that the user gave; raises UsageError if they are another algorithm's."""
    given = {option: value for option, value in asked.items() if value is not None}
    if given and algorithm != knows:
        told = " and ".join("--" + option.replace("_", "-") for option in given)
        raise UsageError(f"{told}: only for --algorithm {knows}, not {algorithm}")
    return given
