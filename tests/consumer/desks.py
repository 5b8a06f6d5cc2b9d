"""A consumer's desk without the rest of the consumer, for tests of one role."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from consumer.desk import Desk
from consumer.drain import Drain
from consumer.fetch import Fetcher
from consumer.holdings import Holdings
from consumer.pace import Pace
from consumer.pricers import Pricers
from consumer.settings import Settings
from consumer.staff import Staff
from consumer.work import Work
from engine.entry import Settlement
from engine.grid import Grid


@contextmanager
def desk_of(grid: Grid, settings: Settings) -> Iterator[Desk]:
    """The desk of a consumer that nobody works at; what is settled there goes nowhere."""
    send, receive = anyio.create_memory_object_stream[Settlement](math.inf)
    pricers = Pricers(grid.roster, settings.name)
    fetcher = Fetcher(grid, pricers, settings.attempts)
    shared = (Drain(), pricers, fetcher, Work(), Staff(settings.slots), send)
    with send, receive:
        yield Desk(settings, grid, Holdings(), Pace(settings.slots, settings.prefetch), *shared)
