"""The seam between the grid and whatever prices a trade.

A pricer takes a batch of trades by column and returns its figures by column. It keeps no state
between calls, measures no time and speaks to no server, so it can be tested, and replaced, alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.trade import Columns, Schema

T = TypeVar("T")
R = TypeVar("R")

Figures = Mapping[str, NDArray[Any]]
"""Figure name -> array of shape (trades,), in the order of the batch; NaN where it has no value.

Those that the grid knows are ``pv, se, delta, delta_se, vega, vega_se``, in the trade's currency,
the greeks per unit of spot and of volatility, and ``paths``; others are kept as they are, under any
name of letters, digits and underscores. All become float64, but ``paths`` int64. Lists will do.

Besides figures it may hold ``reason``: for each trade None, or why it is not priced. That spares
its neighbours the second pricing that an exception costs them.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Trades to be priced together; every array has shape (trades,)."""

    ids: NDArray[np.int64]
    terms: Columns
    """The fields of the pricer's schema, checked."""

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, rows: NDArray[Any] | slice) -> "Batch":
        """The trades in these rows."""
        return Batch(self.ids[rows], {name: term[rows] for name, term in self.terms.items()})


@dataclass(frozen=True, slots=True)
class Request:
    """What a job asks of its pricer, the same for all of its trades."""

    seed: int = 0
    """The job's seed: random numbers are a function of it, the trade's ID, path and step alone."""
    paths: int | None = None
    """Number of paths for every trade, in place of the trades' own."""
    accuracy: float | None = None
    """Relative standard error of the PV at which a trade has enough paths; ``paths`` then is the
    most it may take. Only pricers that simulate paths know it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only some pricers know, ``{"task_duration": 50}`` for one; it cannot be changed."""

    def __post_init__(self) -> None:
        # One request serves the threads of many chunks: none may change it under the others (G3).
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))


class Map(Protocol):
    """The builtin ``map``, or what does the same with several calls at once."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
        """The function's result for each item, in their order."""


class Pricer(Protocol):
    """Prices trades; see ``engine.pricing.registry`` for how a job finds one by name.

    ``engine.adapters`` makes one of a function that prices a single trade.
    """

    @property
    def version(self) -> str:
        """Changes whenever a figure may change; stored with each job."""

    @property
    def schema(self) -> Schema:
        """The fields a trade must have; trades that lack one are rejected before they get here.

        So are trades of another product, if it is the very schema of one of ``PRODUCTS``.
        """

    @property
    def releases_gil(self) -> bool:
        """Whether it lets other threads run: if not, its slots are processes."""

    def price(self, batch: Batch, request: Request) -> Figures:
        """Price the batch; a trade's figures must not depend on which others are in it (G3).

        If it raises, its trades are priced one by one, and those that raise alone are rejected.
        """


@runtime_checkable
class Divisible(Pricer, Protocol):
    """A pricer that divides what it does: on a consumer with free slots a realtime trade takes
    them all, and so much less time."""

    def divided(self, run: Map) -> Pricer:
        """The same pricer, to the last bit, that does its pieces by ``run``."""
