"""A realtime client stripped to the bone, for tests of what serves it.

What may live here: how a test sends calls by ``Calls`` itself, and what it was answered.
"""

import dataclasses
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine.call import Ask, Reply, encode_request
from engine.calls import Sent
from engine.grid import Grid
from engine.pricing.pricer import Request
from producer.generate import generate
from tests.processes import Field
from tests.waiting import eventually

LIMIT = 100_000
"""Calls at once: no test of a consumer means to be refused."""

REALTIME = ("--lane", "realtime")


def trades(count: int, first: int = 0, **terms: Any) -> list[dict[str, object]]:
    """Generated trades, with some terms in place of their own."""
    generated = generate(1, first, count)
    return [{**generated.row(row), **terms} for row in range(count)]


@dataclasses.dataclass(slots=True)
class Caller:
    """One client of a grid."""

    field: Field
    partition: int = 0
    name: str = dataclasses.field(default_factory=lambda: f"desk-{secrets.token_hex(4)}")
    sent: list[str] = dataclasses.field(default_factory=list)

    def asks(
        self,
        terms: Sequence[Mapping[str, object]],
        algorithm: str,
        deadline: float = 20.0,
        **request: Any,
    ) -> list[Ask]:
        """Calls to be sent; ``deadline`` in seconds."""
        encoded = encode_request(algorithm, Request(**request))
        names = [f"call-{len(self.sent) + n}" for n in range(len(terms))]
        self.sent += names
        return [
            Ask(name, self.name, orjson.dumps(trade), encoded, int(deadline * 1000))
            for name, trade in zip(names, terms, strict=True)
        ]

    def send(
        self, terms: Sequence[Mapping[str, object]], algorithm: str, **request: Any
    ) -> list[str]:
        """Send a call for each trade; their names."""
        asks = self.asks(terms, algorithm, **request)
        outcomes = self.field.run(lambda grid: grid.calls.send(self.partition, asks, LIMIT))
        assert all(isinstance(outcome, Sent) for outcome in outcomes), outcomes
        return [ask.call for ask in asks]

    def replies(self) -> list[Reply]:
        """All that it was answered so far."""

        async def read(grid: Grid) -> list[Reply]:
            _, found = await grid.calls.replies(self.partition, self.name, "0", None, LIMIT)
            return found

        return self.field.run(read)

    def answered(self, within: float = 20.0) -> dict[str, Reply]:
        """Wait until every call is answered; once each (G1, G2)."""
        eventually(
            lambda: len(self.replies()) >= len(self.sent),
            within,
            f"{len(self.sent)} replies\n{self.field.logs()}",
        )
        replies = self.replies()
        assert Counter(reply.call for reply in replies) == Counter(self.sent)
        return {reply.call: reply for reply in replies}

    def price(
        self, terms: Sequence[Mapping[str, object]], algorithm: str, **request: Any
    ) -> list[dict[str, Any]]:
        """Send calls and wait for their records, in the order of the trades."""
        names = self.send(terms, algorithm, **request)
        replies = self.answered()
        return [dict(replies[name].record) for name in names]
