"""What ``azfinsim price`` asks, and what comes of it. Only its command module imports this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.errors import UsageError
from engine.trade import WARRANT, Kind, Term
from producer.client_asks import LONGEST_DEADLINE, Asked
from producer.generate import MAX_SEED
from producer.job_options import Amount, accuracy_option
from producer.options import TRADE_ID, book_option
from producer.price_terms import WARRANT_MODEL, Ladder, assigned

F = TypeVar("F", bound=Callable[..., Any])

TERMS = [name for name in WARRANT if name != "paths"]
"""The terms that have an option each; ``--paths`` is one of the request, as with jobs."""

_MEANING = {
    "strike": "The barrier, too.",
    "drift": "By year.",
    "vol": "At the start, by year.",
    "rho": "Correlation of spot and volatility.",
    "maturity": "In years.",
    "steps": "Monitoring dates.",
    "notional": "Of each warrant.",
}


class _Value(click.ParamType[Any]):
    """A value that a term may have."""

    def __init__(self, term: Term) -> None:
        self._term = term
        self.name = {Kind.INTEGER: "integer", Kind.DATE: "date"}.get(term.kind, "number")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | int | str:
        found: float | int | str = value
        try:
            if self._term.kind is not Kind.DATE:
                found = int(value) if self._term.kind is Kind.INTEGER else float(value)
        except ValueError:
            found = value  # Which is none of its kind.
        if not self._term.allows(found):
            self.fail(f"{str(value)[:40]} must be {self._term.rule}", param, ctx)
        return found


def _term_option(name: str) -> Callable[[F], F]:
    told = f"{_MEANING.get(name, '')}  [default: {WARRANT_MODEL[name]}]"
    return click.option(
        f"--{name.replace('_', '-')}", name, type=_Value(WARRANT[name]), help=told.strip()
    )


_OPTIONS = (
    *map(_term_option, TERMS),
    click.option(
        "--id",
        "model_id",
        type=TRADE_ID,
        help="With the seed, it is the random numbers.  [default: 0]",
    ),
    click.option(
        "--trade", "trade_id", type=TRADE_ID, metavar="ID", help="Price this trade of the book."
    ),
    book_option,
    click.option(
        "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change any field."
    ),
    click.option(
        "--ladder",
        "ladders",
        multiple=True,
        metavar="FIELD=FROM:TO:COUNT",
        help="Price for each value of a field, or of two; all on the same random numbers.",
    ),
    click.option(
        "--plot",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Draw the ladder, as .png or .svg.",
    ),
    click.option(
        "--algorithm", default="pvonly", help="pvonly, deltavega, european, synthetic, or yours."
    ),
    click.option(
        "--paths",
        type=click.IntRange(1, 2**31),
        help="In place of the trade's own; with --accuracy, the most it may take.",
    ),
    accuracy_option(),
    click.option(
        "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Of the random numbers."
    ),
    click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help="What only the algorithm knows, such as task_duration=50.",
    ),
    click.option(
        "--deadline",
        type=Amount(0, LONGEST_DEADLINE, min_open=True),
        metavar="SECONDS",
        help="Answered by then, or not at all.  [default: 5; 60 for each of many]",
    ),
    click.option(
        "--order",
        type=click.Choice(["arrival", "input"]),
        help="Of the answers to FILE.  [default: arrival]",
    ),
)


def price_options(command: F) -> F:
    """Give a command the options that ``Question.of`` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be priced, and how; the fields that are None were not asked for."""

    asked: Asked
    changes: Mapping[str, Any]
    """Fields of the trade that are to be other than its own."""
    ladders: Sequence[Ladder]
    trade_id: int | None
    """The trade of the book, None for the model's."""
    model_id: int
    book: str
    deadline: float | None
    in_order: bool
    plot: Path | None

    @property
    def algorithm(self) -> str:
        return self.asked["algorithm"]

    @classmethod
    def of(cls, path: Path | None, options: dict[str, Any]) -> "Question":
        """What the options ask; raises UsageError if they do not go together."""
        terms = {name: value for name in TERMS if (value := options.pop(name)) is not None}
        changes = terms | dict(assigned(text) for text in options["settings"])
        ladders = [Ladder.parse(text) for text in options["ladders"]]
        _check(path, options, terms)
        for ladder in ladders:
            if ladder.field in changes or options.get(ladder.field) is not None:
                raise UsageError(f"{ladder.field} is given, and laddered: must be one of them")
        asked = Asked(
            algorithm=options["algorithm"],
            seed=options["seed"],
            paths=options["paths"],
            accuracy=options["accuracy"],
            options=dict(assigned(text) for text in options["options"]),
        )
        return cls(
            asked,
            changes,
            ladders,
            options["trade_id"],
            options["model_id"] or 0,
            options["book"],
            options["deadline"],
            options["order"] == "input",
            options["plot"],
        )


def _check(path: Path | None, options: Mapping[str, Any], terms: Mapping[str, Any]) -> None:
    """Raise UsageError for options that do not go together."""
    one = [f"--{name.replace('_', '-')}" for name in terms]
    named = {"model_id": "--id", "trade_id": "--trade", "settings": "--set", "ladders": "--ladder"}
    one += [told for name, told in named.items() if options[name] not in (None, ())]
    if path is not None and one:
        raise UsageError(f"{one[0]} and a FILE: the trades of a FILE are priced as they are")
    if path is None and options["order"] is not None:
        raise UsageError("--order: only with a FILE")
    if options["plot"] is not None and not options["ladders"]:
        raise UsageError("--plot draws a ladder: say which with --ladder FIELD=FROM:TO:COUNT")
    if len(options["ladders"]) > 2:
        raise UsageError("--ladder: at most two, which make a grid")
    if options["trade_id"] is not None and options["model_id"] is not None:
        raise UsageError("--id and --trade: a trade of the book has its own ID")
