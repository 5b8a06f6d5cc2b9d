"""The options that the producer's commands share. Only command modules import this."""

import click

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
