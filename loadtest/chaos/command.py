"""``python -m loadtest chaos``: faults by a seed, and an audit."""

import random
from typing import Any

import click
from rich.table import Table

from engine.connection import Address
from engine.count import plural
from engine.edge import (
    DONE,
    SHORT,
    Count,
    json_option,
    note,
    optional_redis_option,
    print_json,
    run_async,
)
from engine.errors import UsageError
from loadtest.chaos import tls
from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.plan import GROUNDS, POISON, SPREAD, Plan, Report, usual_kinds
from loadtest.chaos.run import run
from loadtest.chaos.stand import networked
from loadtest.report import stdout


class _Kinds(click.ParamType[list[str]]):
    name = "kinds"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        asked = value.split(",")
        known = [POISON, *KINDS]
        if unknown := set(asked) - set(known):
            self.fail(f"{', '.join(sorted(unknown))}: must be of {', '.join(known)}", param, ctx)
        return [kind for kind in known if kind in asked]


@click.command
@click.option("--seed", type=click.IntRange(0), help="Of schedule and book.  [default: by chance]")
@click.option("--seconds", type=click.FloatRange(1), default=60.0, help="How long faults strike.")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, help="Seconds between strikes.")
@click.option("--trades", type=Count(100), default=20_000, help="Of the main job.")
@click.option("--consumers", type=click.IntRange(2, 64), default=3, help="Processes that price.")
@click.option(
    "--kinds",
    type=_Kinds(),
    metavar="A,B",
    help=f"Of {', '.join((POISON, *KINDS))}.  [default: all that harm nobody else]",
)
@click.option("--realtime", is_flag=True, help="Make realtime calls beside the jobs.")
@click.option(
    "--other-version",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="The code of another version, for the kind version.",
)
@click.option(
    "--ground",
    type=click.Choice(list(GROUNDS)),
    help="Servers to start: one and its replica, the same with TLS, or three nodes.  "
    "[default: single]",
)
@click.option(
    "--partitions", type=click.IntRange(1, 64), help=f"[default: 1, on a cluster {SPREAD}]"
)
@click.option("--steady", is_flag=True, help="Spare one consumer, whose memory must stay flat.")
@optional_redis_option
@json_option
def chaos(
    address: Address | None,
    kinds: list[str] | None,
    seed: int | None,
    ground: str | None,
    partitions: int | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Strike a grid with faults while it works, and audit what came of it.

    On servers of its own, or on an empty database of yours, which is left as it was. Exit code 1 if
    the audit finds anything; then the command is shown that does the same again.
    """
    if ground is not None and address is not None:
        raise UsageError(f"--ground {ground}: for servers of the run's own, not --redis-url")
    ground = ground or "single"
    has = GROUNDS[ground] if address is None else _of_users(address)
    if kinds is None:
        kinds = usual_kinds(has, versions=asked["other_version"] is not None)
    plan = Plan(
        seed=random.randrange(10**6) if seed is None else seed,
        kinds=kinds,
        address=address,
        ground=ground,
        partitions=partitions or _partitions(ground, address),
        **asked,
    )
    _check(plan)
    note(f"seed {plan.seed}: {', '.join(kinds)}")
    report = run_async(run, plan, note)
    if as_json:
        print_json(report.as_json())
    else:
        stdout().print(_table(report))
    if report.findings:
        note(f"logs are in {report.logs}; to do the same again:\n{plan.command()}")
    return SHORT if report.findings else DONE


def _check(plan: Plan) -> None:
    """Raise UsageError for what cannot be done here."""
    if plan.ground == "tls":
        tls.check()
    for name in plan.striking:
        needs = KINDS[name].needs
        if plan.address is None and needs not in {*GROUNDS[plan.ground], Needs.VERSION}:
            raise UsageError(f"--kinds {name}: cannot strike on --ground {plan.ground}")
        if needs in (Needs.SERVER, Needs.DATA) and plan.address is not None:
            raise UsageError(f"--kinds {name}: strikes only a server of its own, not --redis-url")
        if needs is Needs.NETWORK and not networked(plan.address):
            raise UsageError(f"--kinds {name}: only for redis:// without cluster or sentinel")
        if needs is Needs.VERSION and plan.other_version is None:
            raise UsageError(f"--kinds {name}: needs --other-version FOLDER")


def _partitions(ground: str, address: Address | None) -> int:
    """How many there are if nobody says."""
    if address is not None:
        return address.partitions or 1
    return SPREAD if ground == "cluster" else 1


def _of_users(address: Address) -> set[Needs]:
    """What there is on a user's server for kinds that harm nobody else."""
    return {Needs.NOTHING, Needs.NETWORK} if networked(address) else {Needs.NOTHING}


def _table(report: Report) -> Table:
    shown = Table(box=None, caption=_summary(report), caption_justify="left")
    shown.add_column("fault")
    shown.add_column("struck", justify="right")
    shown.add_column("which is")
    for name in report.plan.striking:
        shown.add_row(name, str(report.strikes[name]), KINDS[name].what)
    return shown


FIGURES = {
    "trades": "results audited",
    "again": "of them priced again",
    "main_trades_per_second": "main job, trades a second",
    "recovery_median_seconds": "from a SIGKILL to its entries taken over, median seconds",
    "recovery_longest_seconds": "and at most",
    "consumers_started": "consumers started",
    "losses": "times the server has lost data",
    "calls": "realtime calls",
    "calls_priced": "of them priced",
    "steady_mb": "memory of the consumer that was spared, MB",
    "steady_grown_percent": "by which it has grown once it was warm, %",
}


def _summary(report: Report) -> str:
    figures = "\n".join(
        f"{words}: {report.figures[name]:,g}"
        for name, words in FIGURES.items()
        if name in report.figures
    )
    stages = ", ".join(f"{name} {seconds:g} s" for name, seconds in report.seconds.items())
    count = len(report.findings)
    verdict = plural(count, "finding") if report.findings else "the audit is clean"
    return f"{verdict}; {stages}\n{figures}"
