"""What the caller of a realtime client asks, checked and as it travels. Pure.

Only what no consumer could read is refused here. Whether the terms make sense is for the consumer
to judge, as it does for the trades of a book.
"""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import orjson

from engine.call import decode_request, encode_request
from engine.errors import UsageError
from engine.pricing.pricer import Request

MOST_BYTES = 1 << 20
"""Of a trade as JSON, as for a line of a file."""

LONGEST_DEADLINE = 86_400.0
"""Seconds: who can wait for longer has a job to submit."""

Trade = Mapping[str, Any]
"""The terms of a trade; its ``id`` is 0 if it has none."""


class Asked(TypedDict, total=False):
    """What is asked of the pricer, the same as in ``engine.pricing.pricer.Request``."""

    algorithm: str
    """The name of a pricer, ``pvonly`` if none is given."""
    seed: int
    paths: int | None
    accuracy: float | None
    options: Mapping[str, Any]


def encode_asked(asked: Asked) -> bytes:
    """The request as it travels. Raises UsageError that names the field and its value."""
    given: dict[str, Any] = dict(asked)
    algorithm = given.pop("algorithm", "pvonly")
    _check_finite({"accuracy": given.get("accuracy")})
    try:
        request = encode_request(algorithm, Request(**given))
        decode_request(request)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request: {error}") from None
    return request


def encode_trade(trade: object) -> bytes:
    """The trade as it travels. Raises UsageError if it is nothing that JSON can tell."""
    if not isinstance(trade, Mapping):
        raise UsageError(f"a trade is a {type(trade).__name__}: must be a mapping of its fields")
    _check_finite(trade)
    try:
        data = orjson.dumps({"id": 0, **trade}, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise UsageError(f"a trade cannot be written as JSON: {error}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"a trade has {len(data)} bytes as JSON: must be at most {MOST_BYTES}")
    return data


def _check_finite(fields: Trade) -> None:
    """Raise UsageError for what JSON has no word for: orjson would write null."""
    for name, value in fields.items():
        if isinstance(value, float | np.floating) and not math.isfinite(value):
            raise UsageError(f"{name} is {value}: must be a finite number")


def check_deadline(seconds: float) -> float:
    """The seconds that a caller will wait. Raises UsageError if nobody could."""
    if not 0 < seconds <= LONGEST_DEADLINE:
        raise UsageError(
            f"deadline is {seconds}: must be a number of seconds above 0 and at most "
            f"{LONGEST_DEADLINE:.0f}"
        )
    return seconds
