"""``python -m loadtest accuracy``: how exact prices are, beside plain paths, on the generated book.

What may live here: the command and its table.
"""

import time
from collections.abc import Mapping

import click
import numpy as np
from rich.table import Table

from engine.edge import Count, json_option, note, print_json
from engine.pricing.pricer import Request
from engine.pricing.warrant import pvonly
from loadtest.accuracy_bench import ACCURACY, Floats, truths_of
from loadtest.kernel_bench import PATHS, generated
from loadtest.report import stdout
from producer.job_options import Amount

SHARES = {"least": 0.0, "median": 0.5, "95 of 100": 0.95, "most": 1.0}
"""Of the trades that lie below what is shown."""

Rows = Mapping[str, Mapping[str, float]]
"""What -> share's name -> figure."""


@click.command
@click.option("--trades", type=Count(1), default=2_000, help="Of the generated book.")
@click.option(
    "--accuracy", type=Amount(0, 1, min_open=True), default=ACCURACY, help="That is asked for."
)
@json_option
def accuracy(trades: int, accuracy: float, as_json: bool) -> None:
    """Compare the standard errors of pvonly with those of 10,000 plain paths, trade by trade.

    The latter are by quadrature, which takes some 20 ms a trade.
    """
    batch = generated(trades)
    pvonly.price(batch.at(slice(0, 1)), Request(accuracy=accuracy, paths=1))
    began = time.perf_counter()
    figures = pvonly.price(batch, Request(accuracy=accuracy))
    microseconds = (time.perf_counter() - began) * 1e6 / trades
    note(f"{microseconds:.0f} µs a trade; now the plain paths' errors")
    plain = truths_of(trades).plain_errors
    ratio = figures["se"] / plain
    rows = {
        f"relative standard error of {PATHS:,} plain paths": _row(plain / figures["pv"]),
        "reached": _row(figures["se"] / figures["pv"]),
        "reached, over that of plain paths": _row(ratio),
        "paths": _row(figures["paths"]),
    }
    worse = int((ratio > 1).sum())
    if as_json:
        print_json({"figures": rows, "worse_than_plain": worse, "microseconds": microseconds})
        return
    out = stdout()
    out.print(_table(rows))
    out.print(
        f"{worse:,} of {trades:,} trades are less exact than {PATHS:,} plain paths; "
        f"{microseconds:.0f} µs and {figures['paths'].mean():,.0f} paths a trade in the mean"
    )


def _row(values: Floats) -> dict[str, float]:
    return {name: float(np.quantile(values, share)) for name, share in SHARES.items()}


def _table(rows: Rows) -> Table:
    table = Table(box=None)
    table.add_column("")
    for name in SHARES:
        table.add_column(name, justify="right")
    for what, row in rows.items():
        shown = (f"{row[name]:,.0f}" if what == "paths" else f"{row[name]:.2g}" for name in SHARES)
        table.add_row(what, *shown)
    return table
