"""The options that the producer's commands share. Only command modules import this."""

import re

import click

from engine.errors import UsageError
from engine.ids import MAX_ID
from engine.names import check_name


def _book(_context: click.Context, _option: click.Parameter, name: str) -> str:
    return check_name("book", name)


book_option = click.option(
    "--book",
    "book",
    default="default",
    show_default=True,
    metavar="NAME",
    callback=_book,
    help="The book.",
)

TRADE_ID = click.IntRange(0, MAX_ID)


class TradeRange(click.ParamType[range]):
    """``FIRST:COUNT``, as the range of trade IDs that begins at FIRST."""

    name = "range"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        if isinstance(value, range):
            return value
        found = re.fullmatch(r"([0-9]{1,16}):([0-9]{1,16})", str(value))
        if found is None:
            self.fail(f"{str(value)[:60]!r} is not FIRST:COUNT, such as 0:1000", param, ctx)
        return trade_range(int(found[1]), int(found[2]))


def trade_range(first: int, count: int) -> range:
    """The IDs of ``count`` trades from ``first`` on; UsageError if no trades have such IDs."""
    if count < 1:
        raise UsageError(f"{count} trades: must be at least 1")
    if first + count - 1 > MAX_ID:
        raise UsageError(f"trades {first} to {first + count - 1}: the highest ID is {MAX_ID}")
    return range(first, first + count)
