"""The calls that a generator makes, encoded before the first is due. Pure."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtest.scenario import RealtimePart
from producer.client_asks import Asked, encode_asked, encode_trade
from producer.generate import generate

KINDS_OF_EACH = 500
"""Different trades of each algorithm, which come again and again."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trade and what is asked of its pricer, as they travel."""

    trade: bytes
    request: bytes


def prepared(part: RealtimePart, seed: int) -> Iterator[Prepared]:
    """What is asked in call after call, for ever: a function of the seed alone."""
    algorithms, weights = list(part.mix), list(part.mix.values())
    pools = {algorithm: _pool(part, algorithm, seed) for algorithm in algorithms}
    chance = random.Random(f"mix {seed}")
    while True:
        # Drawn many at a time, which is cheap.
        for algorithm in chance.choices(algorithms, weights, k=1000):
            pool = pools[algorithm]
            yield pool[chance.randrange(len(pool))]


def first_of(part: RealtimePart, algorithm: str, seed: int) -> Prepared:
    """The first call of an algorithm, to find out whether it is priced."""
    [trade] = trades_for(algorithm, seed, 1)
    return Prepared(encode_trade(trade), encode_asked(request_of(part, algorithm, seed)))


def request_of(part: RealtimePart, algorithm: str, seed: int) -> Asked:
    """What is asked of the pricer."""
    asked = Asked(algorithm=algorithm, seed=seed, options=part.options)
    if algorithm != "european":  # which has no paths
        asked |= Asked(paths=part.paths, accuracy=part.accuracy)
    return asked


def trades_for(algorithm: str, seed: int, count: int) -> Sequence[Mapping[str, object]]:
    """Trades that the algorithm prices: the book's, or options on its spots."""
    book = generate(seed=seed, first=0, count=count)
    if algorithm != "european":
        return [{"id": row, **book.row(row)} for row in range(count)]
    spots, strikes, vols = (book.columns[name] for name in ("spot", "strike", "vol"))
    return [
        {
            "id": row,
            "product": "european",
            "option_type": "put" if row % 2 else "call",
            "spot": spots[row],
            "strike": strikes[row],
            "vol": vols[row],
            "maturity": 0.5,
            "domestic_rate": 0.03,
            "foreign_rate": 0.01,
            "notional": 1_000_000,
        }
        for row in range(count)
    ]


def _pool(part: RealtimePart, algorithm: str, seed: int) -> list[Prepared]:
    request = encode_asked(request_of(part, algorithm, seed))
    trades = trades_for(algorithm, seed, KINDS_OF_EACH)
    return [Prepared(encode_trade(trade), request) for trade in trades]
