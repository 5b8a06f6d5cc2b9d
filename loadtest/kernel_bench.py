"""How long a trade of 10,000 paths of 172 steps takes on one core: our pricers, and their peers."""

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from engine.pricing.pricer import Batch, Pricer, Request
from engine.pricing.warrant import deltavega, pvonly
from engine.trade import WARRANT, check
from loadtest import numpy_peer, older_peer
from loadtest.figures import Measured
from producer.generate import generate

PATHS = 10_000
TRADES = 20
"""In one batch."""

NUMPY_TRADES = 5
"""That NumPy prices; the slower peers price one."""

Terms = numpy_peer.Terms


def generated(count: int) -> Batch:
    """The first trades of the generated book."""
    trades = generate(seed=0, first=0, count=count)
    checked = check(trades.columns, WARRANT, count)
    return Batch(np.asarray(trades.ids, dtype=np.int64), checked.columns)


def terms_of(batch: Batch, row: int) -> Terms:
    """The numbers of one trade."""
    return {
        name: column[row].item() for name, column in batch.terms.items() if column.dtype != object
    }


def measure_prices(measured: Measured, paths: int = PATHS) -> None:
    """One run: each of ours and each peer, one after the other."""
    batch = generated(TRADES)
    for pricer in (pvonly, deltavega):
        # Compiled, or loaded from the cache, before it counts.
        pricer.price(batch.at(slice(0, 1)), Request(paths=1))
    ours = _ours(pvonly, batch, paths)
    measured.add("pv_ms", ours)
    for name, milliseconds in _peers(batch, paths).items():
        measured.add(f"{name}_ms", milliseconds)
        measured.add(f"{name}_ratio", milliseconds / ours)
    greeks = _ours(deltavega, batch, paths)
    measured.add("greeks_ms", greeks)
    measured.add("greeks_ratio", greeks / ours)


def _ours(pricer: Pricer, batch: Batch, paths: int) -> float:
    return _milliseconds(lambda: pricer.price(batch, Request(paths=paths))) / len(batch)


def _peers(batch: Batch, paths: int) -> dict[str, float]:
    """Name -> milliseconds a trade, for those that are installed."""
    trades = [terms_of(batch, row) for row in range(NUMPY_TRADES)]
    times = {
        "numpy": _peer(lambda terms: numpy_peer.price(terms, paths, seed=1), trades),
        "older": _peer(lambda terms: older_peer.price(terms, paths), trades[:1]),
    }
    if with_quantlib():
        # Imported here: only developers have what it needs.
        from loadtest import quantlib_peer

        price = quantlib_peer.price
        times["quantlib"] = _peer(lambda terms: price(terms, paths, seed=1), trades[:1])
    return times


def with_quantlib() -> bool:
    """Whether QuantLib is there to be compared with."""
    return find_spec("QuantLib") is not None


def _peer(price: Callable[[Terms], object], trades: list[Terms]) -> float:
    def all_of_them() -> None:
        for terms in trades:
            price(terms)

    return _milliseconds(all_of_them) / len(trades)


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
