"""Pricers made of ordinary functions that price one trade.

    @per_trade(schema={"spot": Term(Kind.NUMBER), "strike": Term(Kind.NUMBER)}, version="1")
    def pricer(trade):
        return max(trade["spot"] - trade["strike"], 0.0)

The function gets a mapping of the trade's ``id`` and of the fields in the schema, and returns its
PV, or a mapping of figures, ``pv`` among them. If it raises, its trade is rejected with these
words. It may be a coroutine function. If it has a parameter ``request``, it is given that.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import numpy as np

from engine.loops import run_all
from engine.pricing.figures import REASON, check_name, ordered
from engine.pricing.pricer import Batch, Figures, Request
from engine.pricing.reasons import told
from engine.trade import Schema

Trade = Mapping[str, Any]

Function = Callable[..., Any]
"""Takes a trade and, if it likes, the ``request``; returns, or awaits, its PV or figures."""

CONCURRENCY = 16
TIMEOUT = 60.0
"""Seconds. There is always one: a trade that waits for ever would keep its job from ending."""

Shown = dict[str, float]
"""The figures of a trade."""


@dataclass(frozen=True, slots=True)
class PerTrade:
    """Prices trades one by one, in its slot's own process: a function may do anything."""

    function: Function
    schema: Schema
    version: str
    releases_gil: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself: a decorated one can still be called, and tested, as it stands."""
        return self.function(*args, **kwargs)

    def price(self, batch: Batch, request: Request) -> Figures:
        """Call the function for each trade."""
        return _columns([self._try(call) for call in self._calls(batch, request)])

    def _calls(self, batch: Batch, request: Request) -> list[Callable[[], Any]]:
        knows = "request" in _parameters(self.function)
        function = partial(self.function, request=request) if knows else self.function
        return [partial(function, trade) for trade in _trades(batch)]

    def _try(self, call: Callable[[], Any]) -> Shown | BaseException:
        try:
            return _shown(call())
        # It may be anybody's. What is neither, such as Ctrl-C, is not meant for one trade.
        except (Exception, SystemExit) as error:
            return error


@dataclass(frozen=True, slots=True)
class PerTradeAsync(PerTrade):
    """Prices many trades at once by a coroutine function, which waits for somebody else."""

    concurrency: int = CONCURRENCY
    """Trades that each slot prices at a time."""
    timeout: float = TIMEOUT
    """Seconds for a trade."""

    def price(self, batch: Batch, request: Request) -> Figures:
        """Call the function for each trade, and await it."""
        calls = [partial(_awaited, call) for call in self._calls(batch, request)]
        return _columns(run_all(calls, concurrency=self.concurrency, timeout=self.timeout))


@overload
def per_trade(
    function: Function,
    /,
    *,
    schema: Schema,
    version: str,
    concurrency: int | None = None,
    timeout: float | None = None,
) -> PerTrade: ...


@overload
def per_trade(
    *,
    schema: Schema,
    version: str,
    concurrency: int | None = None,
    timeout: float | None = None,
) -> Callable[[Function], PerTrade]: ...


def per_trade(
    function: Function | None = None,
    /,
    *,
    schema: Schema,
    version: str,
    concurrency: int | None = None,
    timeout: float | None = None,
) -> PerTrade | Callable[[Function], PerTrade]:
    """Make a pricer of a function that prices one trade; also as a decorator.

    ``concurrency`` and ``timeout`` are those of ``PerTradeAsync``, for coroutine functions. Raises
    TypeError if they are given for another, and ValueError if they are not above 0, or the first
    is no whole number.
    """
    bounds = {"concurrency": concurrency, "timeout": timeout}
    given: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    for name, bound in given.items():
        if not bound > 0:
            raise ValueError(f"{name} is {bound!r}: must be above 0")
    if concurrency is not None and not isinstance(concurrency, int):
        raise ValueError(f"concurrency is {concurrency!r}: must be a whole number")

    def adapt(function: Function) -> PerTrade:
        called = getattr(function, "__call__", None)  # noqa: B004 - of an object that has one
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
            return PerTradeAsync(function, schema, version, **given)
        if given:
            raise TypeError(f"{' and '.join(given)}: only for a coroutine function (`async def`)")
        return PerTrade(function, schema, version)

    return adapt if function is None else adapt(function)


def _parameters(function: Function) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except ValueError:  # Some of what is written in C does not tell.
        return {}


def _trades(batch: Batch) -> list[Trade]:
    """Each trade of a batch as a mapping of its own, of Python's own types."""
    names = ("id", *batch.terms)
    columns = [batch.ids.tolist(), *(column.tolist() for column in batch.terms.values())]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


async def _awaited(call: Callable[[], Any]) -> Shown:
    return _shown(await call())


def _shown(answer: object) -> Shown:
    """What a function returned, as figures; raises TypeError or ValueError if they are none."""
    figures = answer if isinstance(answer, Mapping) else {"pv": answer}
    if "pv" not in figures:
        raise ValueError("the pricer returned no pv")
    return {check_name(name): _number(name, value) for name, value in figures.items()}


def _number(name: str, value: Any) -> float:
    # Whatever numeric library it is of; but a bool, which is a number to Python, is no price.
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__float__"):
        kind = type(value).__name__
        raise TypeError(f"the pricer returned {name} of type {kind}: must be a number")
    return float(value)


def _columns(outcomes: Sequence[Shown | BaseException]) -> Figures:
    """The figures of many trades by column, and why the others have none."""
    shown = [{} if isinstance(one, BaseException) else one for one in outcomes]
    names = ordered([name for one in shown for name in one])
    figures = {name: np.array([one.get(name, math.nan) for one in shown]) for name in names}
    reasons = [told(one) if isinstance(one, BaseException) else None for one in outcomes]
    return {**figures, REASON: np.array(reasons, dtype=object)}
