"""``azfinsim loadtest report`` and ``compare``: what records of load tests tell.

What may live here: the commands, and what they print.
"""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from engine.edge import DONE, SHORT, json_option, note, print_json
from engine.errors import UsageError
from loadtest.record import Record, Series
from loadtest.report import stdout


class _Percent(click.ParamType[float]):
    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", str(value))
        if not found:
            self.fail(f"{value}: must be a percentage, such as 5%", param, ctx)
        return float(found[1]) / 100


def _load(path: Path) -> Record:
    """A record whose columns are all there; raises UsageError if they do not go together."""
    record = Record.load(path)
    rows = len(record.series.t)
    whole = {}
    for name, column in ((f.name, getattr(record.series, f.name)) for f in fields(record.series)):
        if column and len(column) != rows:
            raise UsageError(
                f"{path} is no record of a load test: series.{name} has {len(column)} values, "
                f"series.t has {rows}"
            )
        whole[name] = column or [None] * rows
    return replace(record, series=Series(**whole))


_file = click.Path(path_type=Path, dir_okay=False)


@click.command
@click.argument("file", metavar="RECORD.json", type=_file)
@click.option("--out", type=_file, help="The page.  [default: beside the record, .html]")
def report(file: Path, out: Path | None) -> None:
    """Make the page of a load test again from its record, and tell its verdict."""
    from loadtest.page.page import write
    from loadtest.run.live import show_end

    record = _load(file)
    page = out if out is not None else file.with_suffix(".html")
    write(record, page)
    show_end(record, [page])


@click.command
@click.argument("a", type=_file)
@click.argument("b", type=_file)
@click.option("--a", "more_a", multiple=True, type=_file, help="Another run of A; repeat it.")
@click.option("--b", "more_b", multiple=True, type=_file, help="Another run of B; repeat it.")
@click.option(
    "--tolerance", type=_Percent(), default="5%", help="A change for the worse that is no matter."
)
@json_option
def compare(
    a: Path,
    b: Path,
    more_a: tuple[Path, ...],
    more_b: tuple[Path, ...],
    tolerance: float,
    as_json: bool,
) -> int:
    """Tell what has changed from record A to record B, and what may be chance alone.

    Exit code 1 if anything is worse by more than chance and --tolerance (docs/loadtest-report.md).
    """
    from loadtest import compare as comparing
    from loadtest import compare_views

    sides = [[_load(path) for path in paths] for paths in ((a, *more_a), (b, *more_b))]
    found = comparing.compare(sides[0], sides[1], tolerance)
    for warning in found.warnings:
        note(f"warning: {warning}")
    if as_json:
        print_json(compare_views.as_json(found, tolerance))
    else:
        stdout().print(compare_views.table(found))
    return SHORT if found.regressed else DONE
