"""How prices look to a person, on standard output, and what ``--json`` tells of them.

Only the command module imports this.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from producer.client_asks import Asked
from producer.client_result import Answer, Result
from producer.price_lines import record_of
from producer.price_terms import Ladder

_NO_FIGURES = ("id", "attempts", "ms", "outcome", "reason", "paths")
"""What a record has besides the pricer's figures and their errors."""

_SHOWN = {"pv": "PV"}

ROUNDED = 8
"""Significant digits of a place on a ladder, for people."""

Rung = tuple[Mapping[str, Any], Answer]
"""A trade of a ladder, and what came of it."""


def show_price(result: Result, asked: Asked) -> None:
    """A price with its figures, and where its time went."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name in _figures(result.record):
        error = result.record.get(_error_of(name))
        table.add_row(
            _SHOWN.get(name, name),
            figure(result.record[name]),
            f"± {figure(error)} standard error" if error is not None else "",
        )
    _stdout().print(table)
    _stdout().print(_terms(result, asked))
    attempts = f", at attempt {result.attempts}" if result.attempts > 1 else ""
    _stdout().print(
        f"{result.total_ms:.1f} ms: {result.queued_ms:.1f} queued, {result.priced_ms:.1f} priced, "
        f"{result.returned_ms:.1f} returned; by {result.consumer}{attempts}"
    )


def price_report(result: Result, asked: Asked) -> dict[str, Any]:
    """The price as one JSON object."""
    return {
        **result.record,
        "algorithm": asked["algorithm"],
        "seed": asked["seed"],
        "consumer": result.consumer,
        "queued_ms": result.queued_ms,
        "priced_ms": result.priced_ms,
        "returned_ms": result.returned_ms,
        "total_ms": result.total_ms,
    }


def show_ladder(ladders: Sequence[Ladder], rungs: Sequence[Rung]) -> None:
    """A line for each rung: its place on the ladder, and its figures or why it has none."""
    fields = [ladder.field for ladder in ladders]
    names = figures_of(rungs)
    rows = [[*_place(trade, fields), *_cells(answer, names)] for trade, answer in rungs]
    table = Table(box=SIMPLE_HEAD)
    for at, name in enumerate([_SHOWN.get(name, name) for name in (*fields, *names)]):
        # Nothing is cut short: a figure is there to be copied.
        width = max(len(name), *(len(row[at]) for row in rows))
        table.add_column(name, min_width=width, no_wrap=True, justify="right")
    if not all(isinstance(answer, Result) for _, answer in rungs):
        table.add_column("", overflow="fold")
    for row in rows:
        table.add_row(*row)
    _stdout().print(table)


def _place(trade: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    return [f"{trade[field]:.{ROUNDED}g}" for field in fields]


def _cells(answer: Answer, names: Sequence[str]) -> list[str]:
    """A rung's figures, or none and why."""
    if not isinstance(answer, Result):
        return [*([""] * len(names)), str(answer)]
    return [figure(answer.record[name]) if name in answer.record else "" for name in names]


def ladder_report(
    ladders: Sequence[Ladder], rungs: Sequence[Rung], asked: Asked, seconds: float
) -> dict[str, Any]:
    """The ladder as one JSON object."""
    fields = [ladder.field for ladder in ladders]
    return {
        "algorithm": asked["algorithm"],
        "seed": asked["seed"],
        "fields": fields,
        "rungs": [
            {**{field: trade[field] for field in fields}, "id": trade["id"], **record_of(answer)}
            for trade, answer in rungs
        ],
        "priced": sum(isinstance(answer, Result) for _, answer in rungs),
        "seconds": round(seconds, 3),
    }


def figures_of(rungs: Sequence[Rung]) -> list[str]:
    """The figures that any of the rungs has, the PV's standard error behind it."""
    names: dict[str, None] = {}
    for _, answer in rungs:
        if isinstance(answer, Result):
            names |= dict.fromkeys(_figures(answer.record))
    if "pv" in names and any(isinstance(a, Result) and a.se is not None for _, a in rungs):
        return [part for name in names for part in (("pv", "se") if name == "pv" else (name,))]
    return list(names)


def figure(value: object) -> str:
    """A figure as a person reads it: cents of what is large, digits of what is small."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.6g}"


def _figures(record: Mapping[str, Any]) -> list[str]:
    """The figures of a record, without the standard errors that go with them."""
    errors = {_error_of(name) for name in record}
    return [name for name in record if name not in _NO_FIGURES and name not in errors]


def _error_of(name: str) -> str:
    return "se" if name == "pv" else f"{name}_se"


def _terms(result: Result, asked: Asked) -> str:
    words = [asked["algorithm"]]
    if result.paths is not None:
        words.append(f"{result.paths:,} paths")
    return f"{', '.join(words)}, seed {asked['seed']}"


def _stdout() -> Console:
    # Made anew: standard output may be another by now. Nothing is cut short or wrapped.
    return Console(highlight=False, soft_wrap=True)
