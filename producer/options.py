"""What the producer's commands share. Only command modules import this."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from engine.edge import note
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


@contextmanager
def interrupted(way_on: str) -> Iterator[None]:
    """Tell a person who ends the body by Ctrl-C what to do then."""
    try:
        yield
    except KeyboardInterrupt:
        note(way_on)
        raise
