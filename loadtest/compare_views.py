"""What a comparison prints: a table for people, one JSON object for programs. Pure."""

from typing import Any

from rich.table import Table

from loadtest.compare import CONFIDENCE, Change, Comparison, Row
from loadtest.page import words

_STYLES = {Change.BETTER: "green", Change.WORSE: "bold red", Change.UNKNOWN: "yellow"}


def table(found: Comparison) -> Table:
    """A line for each figure."""
    shown = Table(box=None)
    for name in ("figure", "A", "B", "change", "it lies between", "verdict"):
        shown.add_column(name, justify="left" if name in ("figure", "verdict") else "right")
    for row in found.rows:
        bounds = row.bounds
        between = "?" if bounds is None else " … ".join(_change(row, each) for each in bounds)
        # Of what is counted and not measured, there is nothing to guess.
        exact = row.noise == 0
        shown.add_row(
            row.measure,
            _value(row, row.a),
            _value(row, row.b),
            _change(row, row.told),
            "" if exact else between,
            "the same" if exact and not row.change else _became(row),
            style=_STYLES.get(row.became),
        )
    return shown


def _became(row: Row) -> str:
    """A warning says once why some cannot be told."""
    return "?" if row.became is Change.UNKNOWN else str(row.became)


def as_json(found: Comparison, tolerance: float) -> dict[str, Any]:
    """The same for programs; changes are shares of A, or differences where ``relative`` is not."""
    return {
        "regressed": found.regressed,
        "tolerance": tolerance,
        "confidence": CONFIDENCE,
        "warnings": list(found.warnings),
        "changes": [
            {
                "measure": row.measure,
                "unit": row.unit,
                "a": row.a,
                "b": row.b,
                "relative": row.relative,
                "change": row.told,
                "bounds": row.bounds,
                "verdict": str(row.became),
            }
            for row in found.rows
        ],
    }


def _value(row: Row, value: float) -> str:
    told = {"s": words.seconds, "1/s": words.rate, "B": words.size, "%": words.share}
    return told.get(row.unit, words.count)(value)


def _change(row: Row, change: float) -> str:
    if row.relative or row.unit == "%":
        points = "" if row.relative else " points"
        return f"{change * 100:+.1f}%{points}" if row.relative else f"{change * 100:+.3g}%{points}"
    return f"{change:+,.0f}"
