"""Pricers made of functions that price one trade."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.lowlevel import checkpoint

from engine.adapters import PerTrade, per_trade
from engine.pricing.figures import by_trade
from engine.pricing.pricer import Batch, Request
from engine.trade import Kind, Schema, Term

SCHEMA: Schema = {"spot": Term(Kind.NUMBER), "curve": Term(Kind.TEXT), "flows": Term(Kind.JSON)}

Records = dict[int, dict[str, Any]]


def batch(count: int) -> Batch:
    flows = np.fromiter(([n, n] for n in range(count)), dtype=object, count=count)
    curves = np.array(["USD"] * count, dtype=object)
    return Batch(
        np.arange(count) + 10,
        {"spot": np.arange(count) / 4, "curve": curves, "flows": flows},
    )


def price(
    function: Callable[..., Any], count: int = 3, request: Request | None = None, **bounds: Any
) -> tuple[Records, dict[int, str]]:
    """The records and the reasons that come of a function."""
    pricer = per_trade(function, schema=SCHEMA, version="1", **bounds)
    assert not pricer.releases_gil
    trades = batch(count)
    return by_trade(pricer.price(trades, request or Request()), trades.ids.tolist())


def test_a_function_gets_each_trade_as_a_mapping() -> None:
    seen: list[Mapping[str, Any]] = []

    def function(trade: Mapping[str, Any]) -> float:
        seen.append(trade)
        return float(trade["spot"] * 2)

    records, reasons = price(function)
    assert records == {10 + n: {"id": 10 + n, "pv": n / 2} for n in range(3)}
    assert not reasons
    assert seen[1] == {"id": 11, "spot": 0.25, "curve": "USD", "flows": [1, 1]}
    # Python's own numbers: NumPy's would overflow and divide in another way.
    assert {type(seen[1][name]) for name in ("id", "spot")} == {int, float}


def test_it_gets_the_request_if_it_asks_for_it() -> None:
    def function(trade: Mapping[str, Any], request: Request, scale: float = 2.0) -> float:
        return request.seed * scale

    records, _ = price(function, request=Request(seed=21))
    assert {record["pv"] for record in records.values()} == {42.0}


def test_it_can_still_be_called() -> None:
    @per_trade(schema=SCHEMA, version="7")
    def pricer(trade: Mapping[str, Any]) -> float:
        return float(trade["spot"])

    assert isinstance(pricer, PerTrade)
    assert pricer.version == "7"
    assert pricer({"spot": 3}) == 3.0


@pytest.mark.parametrize(
    "answer", [1, 1.0, np.float32(1), np.int64(1), np.array(1.0), Decimal(1), {"pv": 1}]
)
def test_a_number_of_any_library_is_a_pv(answer: object) -> None:
    assert price(lambda trade: answer)[0][10] == {"id": 10, "pv": 1.0}


def test_figures_of_ones_own_are_kept_whichever_its_neighbours_have() -> None:
    """G3."""

    def function(trade: Mapping[str, Any]) -> Mapping[str, float]:
        own = {"rho": 2.0, "gamma": 1.0} if trade["id"] % 2 else {"theta": math.nan, "gamma": 1}
        return {**own, "pv": 5, "paths": trade["id"]}

    together, _ = price(function, 4)
    pricer = per_trade(function, schema=SCHEMA, version="1")
    whole = batch(4)
    for row in range(4):
        one = whole.at(slice(row, row + 1))
        alone, _ = by_trade(pricer.price(one, Request()), one.ids.tolist())
        assert repr(alone[10 + row]) == repr(together[10 + row])
    assert repr(together[11]) == repr({"id": 11, "pv": 5.0, "paths": 11, "gamma": 1.0, "rho": 2.0})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "TypeError: the pricer returned pv of type NoneType: must be a number"),
        (True, "TypeError: the pricer returned pv of type bool"),
        ("1.0", "TypeError: the pricer returned pv of type str"),
        (1j, "TypeError: the pricer returned pv of type complex"),
        ({}, "ValueError: the pricer returned no pv"),
        ({"price": 1.0}, "ValueError: the pricer returned no pv"),
        ({"pv": 1.0, "gamma": None}, "TypeError: the pricer returned gamma of type NoneType"),
        ({"pv": 1.0, "outcome": 1.0}, "ValueError: the pricer returned a figure named 'outcome'"),
        ({"pv": 1.0, "reason": 1.0}, "ValueError: the pricer returned a figure named 'reason'"),
        ({"pv": 1.0, 5: 1.0}, "ValueError: the pricer returned a figure named 5"),
        (10**400, "OverflowError: "),
        (math.nan, "pv is nan"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_no_answer_is_a_reason_and_its_neighbours_are_priced(
    answer: object, reason: str, is_async: bool
) -> None:
    """G5."""

    def function(trade: Mapping[str, Any]) -> object:
        return answer if trade["id"] == 11 else 1.0

    async def coroutine(trade: Mapping[str, Any]) -> object:
        return function(trade)

    records, reasons = price(coroutine if is_async else function)
    assert list(records) == [10, 12]
    assert list(reasons) == [11]
    assert reasons[11].startswith(reason)


@pytest.mark.parametrize("error", [ValueError("no curve"), SystemExit(3), TimeoutError()])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_trade_that_raises_is_rejected_alone_and_each_is_priced_once(
    error: BaseException, is_async: bool
) -> None:
    """G5."""
    seen: list[int] = []

    def function(trade: Mapping[str, Any]) -> float:
        seen.append(trade["id"])
        if trade["id"] == 11:
            raise error
        return 1.0

    async def coroutine(trade: Mapping[str, Any]) -> float:
        await checkpoint()
        return function(trade)

    records, reasons = price(coroutine if is_async else function)
    assert list(records) == [10, 12]
    assert reasons == {11: f"{type(error).__name__}: {error}"}
    assert sorted(seen) == [10, 11, 12]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_interrupt_ends_the_batch(is_async: bool) -> None:
    """It is meant for the program and not for a trade; and what comes after is priced."""
    loops: list[asyncio.AbstractEventLoop] = []

    def function(trade: Mapping[str, Any], request: Request) -> float:
        if request.options.get("stop") and trade["id"] == 11:
            raise KeyboardInterrupt
        return 1.0

    async def coroutine(trade: Mapping[str, Any], request: Request) -> float:
        loops.append(asyncio.get_running_loop())
        await checkpoint()
        return function(trade, request)

    with pytest.raises(KeyboardInterrupt):
        price(coroutine if is_async else function, request=Request(options={"stop": True}))
    assert all(loop.is_closed() for loop in loops)  # Nothing goes on in it.
    assert len(price(coroutine if is_async else function)[0]) == 3


@pytest.mark.parametrize("concurrency", [1, 4, 100])
def test_so_many_trades_are_awaited_at_once_and_no_more(concurrency: int) -> None:
    running = most = 0
    full: list[anyio.Event] = []

    async def coroutine(trade: Mapping[str, Any]) -> float:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if not full:
            full.append(anyio.Event())
        if running == min(concurrency, 20):
            full[0].set()
        await full[0].wait()
        await checkpoint()
        running -= 1
        return float(trade["id"])

    records, _ = price(coroutine, 20, concurrency=concurrency)
    assert most == min(concurrency, 20)
    assert [record["pv"] for record in records.values()] == [float(10 + n) for n in range(20)]


def test_a_trade_that_gets_no_answer_in_time_is_rejected_alone() -> None:
    ended: list[int] = []

    async def coroutine(trade: Mapping[str, Any]) -> float:
        try:
            if trade["id"] == 11:
                await anyio.sleep_forever()
        finally:
            ended.append(trade["id"])
        return 1.0

    records, reasons = price(coroutine, timeout=0.05)
    assert list(records) == [10, 12]
    assert reasons == {11: "TimeoutError: no answer within 0.05 s"}
    assert sorted(ended) == [10, 11, 12]


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_trade_that_cancels_itself_is_rejected_alone(concurrency: int) -> None:
    """As a client does that cancels the task in which it reads."""

    async def coroutine(trade: Mapping[str, Any]) -> float:
        if trade["id"] == 11:
            raise asyncio.CancelledError
        await checkpoint()
        return 1.0

    records, reasons = price(coroutine, concurrency=concurrency)
    assert list(records) == [10, 12]
    assert reasons == {11: "RuntimeError: it was cancelled from within"}


def test_what_is_opened_in_the_loop_lives_on_to_the_next_batch() -> None:
    """A client that keeps its connections is bound to the loop in which it was made."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def coroutine(trade: Mapping[str, Any]) -> float:
        loops.append(asyncio.get_running_loop())
        return 1.0

    price(coroutine)
    price(coroutine)
    assert len(loops) == 6
    assert len(set(loops)) == 1
    assert not loops[0].is_closed()


def test_bounds_that_make_no_sense_are_told() -> None:
    async def coroutine(trade: Mapping[str, Any]) -> float:
        return 1.0

    for bounds in ({"concurrency": 0}, {"timeout": -1.0}, {"timeout": math.nan}):
        with pytest.raises(ValueError, match=re.escape("must be above 0")):
            per_trade(coroutine, schema=SCHEMA, version="1", **bounds)
    with pytest.raises(TypeError, match="timeout: only for a coroutine function"):
        per_trade(abs, schema=SCHEMA, version="1", timeout=1.0)


def test_a_function_that_does_not_tell_its_parameters_will_do() -> None:
    assert next(iter(price(len)[0].values()))["pv"] == 4.0
    assert price(dict.get)[1][10].startswith("TypeError")


def test_an_empty_batch_is_nothing() -> None:
    assert price(lambda trade: 1.0, 0) == ({}, {})


def test_an_object_that_is_called_and_awaited() -> None:
    class Service:
        async def __call__(self, trade: Mapping[str, Any]) -> float:
            return float(trade["spot"])

    records, reasons = price(Service(), concurrency=2)
    assert not reasons
    assert records


def test_a_concurrency_that_is_no_whole_number() -> None:
    async def coroutine(trade: Mapping[str, Any]) -> float:
        return 1.0

    with pytest.raises(ValueError, match=r"concurrency is 1\.5: must be a whole number"):
        per_trade(coroutine, schema={}, version="1", concurrency=1.5)  # type: ignore[call-overload]
