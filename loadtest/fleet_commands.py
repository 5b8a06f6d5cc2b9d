"""``azfinsim loadtest fleet``: a simulated fleet on one server, and what a real one needs.

What may live here: the commands, and what they print.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from engine.edge import DONE, SHORT, Count, Group, json_option, note, print_json, run_async
from loadtest.fleet.costs import MEASURED
from loadtest.fleet.measure import measure
from loadtest.fleet.model import Costs, fit, redis_cpu
from loadtest.fleet.plan import Plan, Prices, Wish, plan
from loadtest.fleet.shape import Point, Shape
from loadtest.fleet.sweep import medians, read, shapes, summary, sweep, told
from loadtest.machine import describe
from loadtest.report import stdout

_SECONDS = {"s": 1, "m": 60, "h": 3600}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smh]?)", str(value))
        if not found or not float(found[1]):
            self.fail(f"{value}: must be a time above 0, such as 90s, 30m or 1h", param, ctx)
        return float(found[1]) * _SECONDS[found[2] or "s"]


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
def fleet() -> None:
    """Simulate thousands of cores on one Redis, and plan for them."""


@fleet.command
@click.option("--consumers", type=click.IntRange(1, 10_000), default=156)
@click.option("--slots", type=click.IntRange(1, 1024), default=64, help="Cores of each consumer.")
@click.option("--chunk", type=click.IntRange(1, 10_000), default=100, help="Trades an entry.")
@click.option("--price-ms", type=click.FloatRange(0), default=50.0, help="A trade; 0: no work.")
@click.option("--partitions", type=click.IntRange(1, 1024), default=1)
@click.option("--nodes", type=click.IntRange(1, 16), default=1, help="3 or more: a cluster.")
@click.option("--lane", "lanes", default="realtime,high,bulk", help="Lanes that all serve.")
@click.option("--lease", type=click.FloatRange(0.1, 3600), default=10.0, metavar="SECONDS")
@click.option("--processes", type=click.IntRange(1, 64), default=3, help="That simulate.")
@click.option("--seconds", type=click.FloatRange(1), default=10.0, help="To measure.")
@json_option
def run(seconds: float, as_json: bool, **asked: Any) -> int:
    """Measure one fleet, on an embedded server of its own.

    Exit code 1 if the simulation itself was too slow, so that nothing can be said of Redis.
    """
    shape = Shape(**asked)
    note(told(shape))
    point = run_async(measure, shape, seconds)
    if as_json:
        print_json({**asdict(point), "limited_by": point.limited_by, "machine": describe(None)})
    else:
        note(summary(point))
        stdout().print(_points([point], MEASURED))
    return SHORT if point.limited_by == "simulation" else DONE


@fleet.command("sweep")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--runs", type=click.IntRange(1), default=3, help="Of which the medians are taken.")
@click.option("--seconds", type=click.FloatRange(1), default=6.0, help="To measure each fleet.")
@click.option("--processes", type=click.IntRange(1, 64), default=3, help="That simulate.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the points, as .svg or .png.")
@json_option
def run_sweep(
    out: Path, runs: int, seconds: float, processes: int, plot: Path | None, as_json: bool
) -> None:
    """Measure 34 fleets and fit a model to them: half an hour, on a quiet machine.

    All points are kept in the file --out, from which `fleet plan --costs` takes the model.
    """
    wanted = [replace(shape, processes=processes) for shape in shapes()]
    points = run_async(sweep, wanted, seconds, runs, out, describe(None), note)
    _show(points, plot, as_json)


@fleet.command
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the points, as .svg or .png.")
@json_option
def show(file: Path, plot: Path | None, as_json: bool) -> None:
    """Show the points of a sweep, the medians of its runs, beside the model fitted to them."""
    _show(read(file), plot, as_json)


def _show(points: list[Point], plot: Path | None, as_json: bool) -> None:
    middle = medians(points)
    costs = fit(middle)
    if plot is not None:
        from loadtest.fleet.picture import draw  # which needs matplotlib

        draw(plot, middle, costs)
    if as_json:
        print_json({"costs": asdict(costs), "points": [asdict(point) for point in middle]})
        return
    out = stdout()
    out.print(_points(middle, costs))
    out.print(_costs(costs))


@fleet.command("plan")
@click.option("--trades", type=Count(0), required=True, help="Such as 500000 or 10M.")
@click.option("--cores", type=Count(0), required=True, help="That price.")
@click.option("--price-ms", type=click.FloatRange(0.01), required=True, help="A trade on a core.")
@click.option("--deadline", type=_Duration(), help="Such as 30m or 1h.")
@click.option("--slots", type=click.IntRange(1, 1024), default=16, help="Cores of a consumer.")
@click.option("--chunk", type=click.IntRange(1, 10_000), help="[default: what suits]")
@click.option(
    "--spare", type=click.FloatRange(0, 0.95), default=0.5, help="Of a shard's core, left free."
)
@click.option(
    "--shard-gb", type=click.FloatRange(0.1), default=12.0, help="Memory of a shard for data."
)
@click.option("--core-price", type=click.FloatRange(0), help="An hour.  [default: assumed]")
@click.option("--shard-price", type=click.FloatRange(0), help="An hour.  [default: assumed]")
@click.option(
    "--costs",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A sweep's file, to go by another machine.  [default: docs/scaling.md]",
)
@json_option
def make_plan(
    shard_gb: float,
    core_price: float | None,
    shard_price: float | None,
    file: Path | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Tell how big a Redis a job needs, and how long it takes. Exit code 1 if that is too long."""
    wish = Wish(**asked, shard_bytes=shard_gb * 1e9)
    costs = fit(medians(read(file))) if file is not None else MEASURED
    prices = Prices()
    if core_price is not None:
        prices = replace(prices, core_hour=core_price)
    if shard_price is not None:
        prices = replace(prices, shard_hour=shard_price)
    made = plan(wish, costs, prices)
    if as_json:
        print_json({**made.as_json(), "prices": asdict(prices)})
    else:
        stdout().print(_plan(wish, made, prices))
    return DONE if made.cores_for_deadline is None else SHORT


def _plan(wish: Wish, made: Plan, prices: Prices) -> Table:
    shown = Table(box=None, show_header=False)
    shown.add_column()
    shown.add_column(justify="right")
    shown.add_column()
    per_shard = made.memory / made.shards / 1e9
    for row in (
        ("time", _time(made.seconds), _lateness(wish, made)),
        ("shards", str(made.shards), f"bound by {made.bound_by}"),
        ("busiest shard", f"{made.busiest:.2f} cores", f"{made.cpu:.2f} in all"),
        ("  spent on", "", ", ".join(f"{k} {v:.2f}" for k, v in made.cpu_by_cause.items())),
        ("memory", f"{made.memory / 1e9:.1f} GB", f"{per_shard:.1f} a shard, without replicas"),
        ("partitions", str(made.partitions), "azfinsim ... --partitions, when the grid is made"),
        ("chunk", f"{made.chunk} trades", f"{made.entries:,} entries: job submit --chunk"),
        ("consumers", f"{made.consumers:,}", f"{wish.slots} slots each"),
        ("connections", f"{made.connections:,}", "to each shard"),
        ("network in, out", f"{made.bytes_in / 1e6:,.1f} MB/s", f"{made.bytes_out / 1e6:,.1f}"),
        ("queueing the job", _time(made.queue_seconds), "of Redis' processor"),
        ("core hours", f"{made.core_hours:,.1f}", ""),
        ("cost", f"{made.cost:,.2f}", _assumed(prices)),
    ):
        shown.add_row(*row)
    return shown


def _lateness(wish: Wish, made: Plan) -> str:
    if wish.deadline is None:
        return ""
    if made.cores_for_deadline is None:
        return f"within {_time(wish.deadline)}"
    return f"NOT within {_time(wish.deadline)}: that takes {made.cores_for_deadline:,} cores"


def _assumed(prices: Prices) -> str:
    return (
        f"at {prices.core_hour:g} a core hour, {prices.shard_hour:g} a shard hour: assumed in "
        f"{prices.as_of}, to be checked"
    )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _points(points: list[Point], costs: Costs) -> Table:
    shown = Table(box=None)
    for name in ("fleet", "trades/s", "ideal", "limit", "Redis", "model", "cmds/s", "p99 settle"):
        shown.add_column(name, justify="left" if name == "fleet" else "right")
    for point in points:
        p99 = point.settle.get("p99")
        shown.add_row(
            told(point.shape),
            f"{point.trades:,.0f}",
            f"{point.efficiency:.0%}",
            point.limited_by,
            f"{sum(point.redis_cpu):.2f}",
            f"{redis_cpu(costs, point.shape, point.trades):.2f}",
            f"{point.commands:,.0f}",
            f"{p99 * 1000:.1f} ms" if p99 is not None else "",
        )
    return shown


def _costs(costs: Costs) -> Table:
    shown = Table(box=None, caption="seconds of Redis' processor, and bytes", show_header=False)
    for name, value in asdict(costs).items():
        shown.add_row(name, f"{value:.3g}")
    return shown
