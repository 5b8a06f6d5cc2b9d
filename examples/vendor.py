"""A pricer that asks somebody else: a pricing service that takes a line of JSON and sends one back.

Many trades wait for their answers at once; one that gets none in time is rejected with that reason.

    PRICING_SERVICE=prices.example.com:7000 azfinsim consume
    azfinsim job submit --algorithm examples.vendor:pricer
"""

import os
from collections.abc import Mapping
from typing import Any

import anyio
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from engine.adapters import per_trade
from engine.trade import Kind, Term

SCHEMA = {
    "spot": Term(Kind.NUMBER, low=0, above=True),
    "strike": Term(Kind.NUMBER, low=0, above=True),
}

LONGEST = 65_536
"""Bytes of an answer."""


@per_trade(schema=SCHEMA, version="1", concurrency=32, timeout=5)
async def pricer(trade: Mapping[str, Any]) -> Mapping[str, float]:
    """What the service returns for this trade, a JSON object of figures."""
    host, _, port = os.environ["PRICING_SERVICE"].rpartition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(orjson.dumps(trade) + b"\n")
        answer = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
    figures: Mapping[str, float] = orjson.loads(answer)
    return figures
