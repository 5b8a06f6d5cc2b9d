"""Pricers of the user's own, each with a vice; jobs name them ``tests.pricers:...``."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.adapters import per_trade
from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import Kind, Schema, Term


@dataclass(frozen=True, slots=True)
class Plain:
    """Prices a trade at a function of its ID and spot, if it has one."""

    version: str = "1"
    releases_gil: bool = True

    @property
    def schema(self) -> Schema:
        return {"spot": Term(Kind.NUMBER, low=0, above=True)}

    def price(self, batch: Batch, request: Request) -> Figures:
        return {"pv": batch.ids / 7 + batch.terms["spot"] + request.seed}


class Raising(Plain):
    """Raises what the request names, for the trades that it names."""

    def price(self, batch: Batch, request: Request) -> Figures:
        figures = Plain.price(self, batch, request)
        if any(i in request.options["ids"] for i in batch.ids.tolist()):
            raise ERRORS[request.options["error"]]
        return figures


class Silent(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Rude(BaseException):
    """Is no Exception."""


ERRORS: Mapping[str, BaseException] = {
    "value": ValueError("no such curve"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "rude": Rude("out"),
    "silent": Silent(),
    "surrogate": ValueError("\ud800 is half a character"),
    "long": ValueError("x" * 10_000),
    "memory": MemoryError(),
}


class Returning(Plain):
    """Returns what the request names."""

    def price(self, batch: Batch, request: Request) -> Figures:
        count = len(batch)
        returned = {
            "nothing": None,
            "reasons": {"pv": np.ones(count), "reason": [*"x" * (count - 1), None]},
            "own": {"zeta": [1] * count, "pv": [2] * count, "alpha": [3] * count},
            "id": {"pv": np.ones(count), "id": np.ones(count)},
            "too many": {"pv": np.zeros(count + 1)},
            "a table": {"pv": np.zeros((count, 2))},
            "text": {"pv": np.array(["0"] * count)},
            "complex": {"pv": np.zeros(count, dtype=complex)},
            "objects": {"pv": np.array([object()] * count)},
            "truth": {"pv": np.zeros(count, dtype=bool)},
            "long double": {"pv": np.arange(count, dtype=np.longdouble)},
            "single": {"pv": np.arange(count, dtype=np.float32)},
            "nan": {"pv": np.where(batch.ids % 3 == 0, np.nan, 1.0), "se": np.ones(count)},
            "nan error": {"pv": np.ones(count), "se": np.full(count, np.nan)},
            "infinite": {"pv": np.full(count, -np.inf)},
        }[request.options["what"]]
        return returned  # type: ignore[return-value]


class Bumping(Plain):
    """Changes its input and then raises, if it prices more than one trade."""

    def price(self, batch: Batch, request: Request) -> Figures:
        batch.terms["spot"][:] *= 1.01
        if len(batch) > 1:
            raise ValueError("one at a time")
        return Plain.price(self, batch, request)


@dataclass(frozen=True, slots=True)
class Gil(Plain):
    """Holds the GIL, as it says, and prints."""

    releases_gil: bool = False

    def price(self, batch: Batch, request: Request) -> Figures:
        print("pricing", len(batch), flush=True)  # noqa: T201 - that is its vice
        os.write(1, b"and by hand\n")
        if 13 in batch.ids:
            raise ValueError("unlucky")
        return Plain.price(self, batch, request)


class Deadly(Gil):
    """Kills its process on one trade."""

    def price(self, batch: Batch, request: Request) -> Figures:
        if request.options["id"] in batch.ids:
            if request.options["how"] == "exit":
                os._exit(9)
            os.kill(os.getpid(), signal.SIGKILL)
        return Plain.price(self, batch, request)


class Slow(Gil):
    """Holds the GIL of its process for the seconds that the request names."""

    def price(self, batch: Batch, request: Request) -> Figures:
        end = time.monotonic() + request.options["seconds"]
        while time.monotonic() < end:
            pass
        return Plain.price(self, batch, request)


class Sleepy(Plain):
    """Sleeps, without the GIL, for the seconds that the request names."""

    def price(self, batch: Batch, request: Request) -> Figures:
        time.sleep(request.options["seconds"])
        return Plain.price(self, batch, request)


class Meddling(Plain):
    """Changes the request under the other chunks of its job."""

    def price(self, batch: Batch, request: Request) -> Figures:
        request.options["ids"] = []  # type: ignore[index]
        return Plain.price(self, batch, request)


class Counting(Plain):
    """Changes the IDs of what it prices."""

    def price(self, batch: Batch, request: Request) -> Figures:
        ids = batch.ids
        ids += 1
        return Plain.price(self, batch, request)


treacherous, counting, meddling = Deadly(releases_gil=True), Counting(), Meddling()
"""The first kills its process too, and says that it needs none of its own."""

plain, raising, returning, bumping = Plain(), Raising(), Returning(), Bumping()
gil, deadly, slow, sleepy = Gil(), Deadly(), Slow(), Sleepy()

no_pricer = sys
bad_schema = type("BadSchema", (Plain,), {"schema": {"spot": "a number"}})()


def function(trade: Mapping[str, Any]) -> float:
    """What somebody writes who has not heard of pricers."""
    return float(trade["spot"])


@per_trade(schema={"spot": Term(Kind.NUMBER)}, version="1")
def inventive(trade: Mapping[str, Any]) -> Mapping[str, float]:
    """Has figures of its own, one of them for a few trades only, and refuses some."""
    if trade["id"] % 25 == 0:
        raise ValueError("a quarter of a hundred")
    rare = {"rare": float(trade["id"])} if trade["id"] % 100 == 7 else {}
    return {"weight": 4.0, "pv": trade["spot"], **rare}


class Awaiting(Plain):
    """Has a coroutine function for its price."""

    async def price(self, batch: Batch, request: Request) -> Figures:  # type: ignore[override]
        return Plain.price(self, batch, request)


coroutine = Awaiting()
