"""What a fleet costs its Redis: a model of the processor, fitted to the points of a sweep. Pure.

Of a second of a busy fleet, the server's processor spends

    entry * entries + trade * trades            taking, looking up and settling them
    + renewal * held / (lease / 3)              leases of what consumers hold
    + scan * consumers * held / (lease / 2)     each consumer's sweeps over what all hold
    + read * reads                              XREADGROUP, mostly into lanes that are empty
    + consumer * consumers                      announcing itself, and all else that is done by time

Processor time, since that is what a shard runs out of, and since busy neighbours of the machine
change it less than they change latency, which is not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from loadtest.fleet.shape import HELD_SECONDS, MOST_HELD, Point, Shape

Floats = NDArray[np.float64]

RENEWALS = 3
"""Times in a lease that it is renewed: ``consumer.lease``."""

SWEEPS = 2
"""Times in a lease that a consumer sweeps, in the mean: ``consumer.reclaim``."""

READY = 400
"""Entries that a consumer holds ready at most: ``consumer.pace``."""

FILLED = 0.875
"""Of what a consumer may hold: it fills up when a quarter is missing."""

READS = 22.0
"""Per second, of a busy consumer for each partition: a glance into the lane above every 50 ms, and
realtime's, which wait for half a second."""

CAUSES = ("entries", "trades", "leases", "sweeps", "reads", "consumers")
"""What the processor is spent on, in the order of ``Costs``."""

CALM = 0.02
"""Seconds by which the simulation may be late in points that costs are fitted to. Beyond, what is
done by time is done less often than it should be."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one server's processor, in seconds, and what else things take."""

    entry: float
    trade: float
    renewal: float
    scan: float
    read: float
    consumer: float
    idle: float
    """A consumer without work, per second, with one partition."""
    book_cpu: float
    """A trade put into the book."""
    queue_cpu: float
    """An entry queued."""
    book_bytes: float
    queue_bytes: float
    """An entry, with its part of the manifest."""
    result_bytes: float
    """A trade."""
    clients: float
    """Connections of a consumer, with one node."""
    client_bytes: float
    """Memory of one connection's buffers."""
    in_entry: float
    """Bytes that the server receives for an entry."""
    in_trade: float
    out_entry: float
    """Bytes that it sends for an entry; a chunk that is less than a block still costs that."""
    out_trade: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read them; raises UsageError if they are none."""
        try:
            return cls(**{f.name: float(data[f.name]) for f in fields(cls)})
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"no costs of a model: {error}") from None


def held(shape: Shape) -> float:
    """Entries in consumers' hands, when there is always more to do."""
    if not shape.entry_seconds:
        return float(shape.cores)
    ready = shape.slots * HELD_SECONDS / shape.entry_seconds
    return shape.consumers * (
        FILLED * (shape.slots + min(ready, READY, MOST_HELD / max(shape.chunk, 1)))
    )


def terms(shape: Shape, trades: float, entries_held: float, reads: float) -> list[float]:
    """How often a second each cost of the processor is spent, in the order of ``Costs``."""
    return [
        trades / shape.chunk,
        trades,
        entries_held * RENEWALS / shape.lease,
        sweeps(shape) * entries_held,
        reads,
        float(shape.consumers),
    ]


def sweeps(shape: Shape) -> float:
    """Per second, over the entries that all consumers hold."""
    return shape.consumers * SWEEPS / shape.lease


def redis_cpu(costs: Costs, shape: Shape, trades: float) -> float:
    """Cores of Redis, all nodes together, that a fleet takes which settles so many trades/s."""
    if not shape.price_ms:
        return costs.idle * shape.consumers
    return sum(by_cause(costs, shape, trades).values())


def by_cause(costs: Costs, shape: Shape, trades: float) -> dict[str, float]:
    """Cores of Redis that a busy fleet takes, by what for."""
    reads = READS * shape.consumers * shape.partitions
    each = (costs.entry, costs.trade, costs.renewal, costs.scan, costs.read, costs.consumer)
    spent = terms(shape, trades, held(shape), reads)
    return {name: a * b for name, a, b in zip(CAUSES, each, spent, strict=True)}


def most_trades(costs: Costs, shape: Shape, cores: float) -> float:
    """Trades per second that so many cores of Redis bear; 0 if the fleet alone takes them.

    No more than the slots can do.
    """
    standing = redis_cpu(costs, shape, 0.0)
    per_trade = costs.entry / shape.chunk + costs.trade
    return min(max(cores - standing, 0.0) / per_trade, shape.ideal)


def fit(points: Sequence[Point]) -> Costs:
    """The costs that explain the points best, by relative error.

    Left out are clusters, which are there to see how well the model foretells them, and points of a
    simulation that was not ``CALM``. Raises UsageError if too few are left to tell the costs apart.
    """
    busy = [p for p in points if p.trades and p.shape.nodes == 1 and p.lag_p99 <= CALM]
    idle = [p for p in points if not p.shape.price_ms and p.shape.partitions == 1]
    if len(busy) < 6 or not idle:
        raise UsageError(
            "a model needs at least six points with work, of a simulation that was not late, and "
            "one without: sweep on a machine with more cores, or fewer neighbours"
        )
    entry, trade, renewal, scan, read, consumer = least_squares(
        [terms(p.shape, p.trades, p.held, p.reads) for p in busy],
        [sum(p.redis_cpu) for p in busy],
    )
    flow = [[p.entries, p.trades] for p in busy]
    received = least_squares(flow, [p.bytes_in for p in busy])
    sent = least_squares(flow, [p.bytes_out for p in busy])
    return Costs(
        entry=entry,
        trade=trade,
        renewal=renewal,
        scan=scan,
        read=read,
        consumer=consumer,
        idle=_median([sum(p.redis_cpu) / p.shape.consumers for p in idle]),
        book_cpu=_median([p.book["cpu"] for p in busy]),
        queue_cpu=_median([p.queue["cpu"] for p in busy]),
        book_bytes=_median([p.book["bytes"] for p in busy]),
        queue_bytes=_median([p.queue["bytes"] for p in busy]),
        result_bytes=_median([p.result_bytes for p in busy]),
        clients=_median([p.clients / p.shape.consumers for p in busy]),
        client_bytes=_median([p.client_bytes / p.clients for p in busy]),
        in_entry=received[0],
        in_trade=received[1],
        out_entry=sent[0],
        out_trade=sent[1],
    )


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Coefficients, none below 0, for which ``rows @ coefficients`` is nearest to the values.

    Errors count in proportion to the value. The coefficient that is furthest below 0 is set to 0
    until none is: with few columns that finds what Lawson and Hanson's NNLS does.
    """
    weights = 1.0 / np.asarray(values, dtype=np.float64)
    matrix: Floats = np.asarray(rows, dtype=np.float64) * weights[:, None]
    scale = np.abs(matrix).max(axis=0)
    scale[scale == 0] = 1.0
    free = list(range(matrix.shape[1]))
    found = np.zeros(matrix.shape[1])
    while free:
        some, *_ = np.linalg.lstsq(matrix[:, free] / scale[free], np.ones(len(rows)), rcond=None)
        if some.min() >= 0:
            found[free] = some / scale[free]
            break
        del free[int(some.argmin())]
    return [float(each) for each in found]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
