"""What a fleet costs its Redis: a model of the processor, fitted to the points of a sweep. Pure.

A busy fleet puts upon the server a load, in cores, of

    entry * entries + trade * trades            taking, looking up and settling them
    + hold * held                               leases that are renewed, and sweeps in turn
    + read * reads                              XREADGROUP, mostly into lanes that are empty

which is what it would take if each command woke it. The busier it is, the more of them it finds
when it looks, so that of a load it takes load / (1 + load) of a core, and never more than one.

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

READY = 400
"""Entries that a consumer holds ready at most: ``consumer.pace``."""

FILLED = 0.875
"""Of what a consumer may hold: it fills up when a quarter is missing."""

GLANCES = 20.0
"""Per second, of a busy consumer, into the lane above: ``consumer.intake``."""

WAITS = 2.0
"""Per second, of a consumer for each partition: realtime's reads, which wait for half a second."""

CAUSES = ("entries", "trades", "held", "reads")
"""What the processor is spent on, in the order of ``Costs``."""

CALM = 0.05
"""Seconds by which the simulation may be late in points that costs are fitted to. Beyond, what is
done by time is done less often than it should be."""

NEAR_LIMIT = 0.9
"""Cores of one server."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one server's processor, in seconds, and what else things take."""

    entry: float
    trade: float
    hold: float
    """An entry in hand, per second, with a lease of 10 s: renewed three times in it
    (``consumer.lease``), and looked at twice a second by whose turn it is (``consumer.reclaim``).
    With a shorter one it is more."""
    read: float
    """With the rest of what a consumer does by time, such as announcing itself."""
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
        entries_held,
        reads,
    ]


def redis_cpu(costs: Costs, shape: Shape, trades: float) -> float:
    """Cores of Redis that a fleet takes which settles so many trades/s.

    Of a cluster all nodes together, as if all had as much to do.
    """
    if not shape.price_ms:
        return costs.idle * shape.consumers
    load = sum(loads(costs, shape, trades).values())
    return shape.nodes * cores_of(load / shape.nodes)


def cores_of(load: float) -> float:
    """Cores that one server takes under a load."""
    return load / (1 + load)


def loads(costs: Costs, shape: Shape, trades: float) -> dict[str, float]:
    """The load that a busy fleet is to Redis, by what for."""
    reads = shape.consumers * (GLANCES + WAITS * shape.partitions)
    each = (costs.entry, costs.trade, costs.hold, costs.read)
    spent = terms(shape, trades, held(shape), reads)
    return {name: a * b for name, a, b in zip(CAUSES, each, spent, strict=True)}


def fit(points: Sequence[Point]) -> Costs:
    """The costs that explain the points best, by relative error.

    Left out are clusters, which are there to see how well the model foretells them, points of a
    simulation that was not ``CALM``, and of a server near its limit, where any load looks the same.
    Raises UsageError if too few are left to tell the costs apart.
    """
    busy = [
        p
        for p in points
        if p.trades and p.shape.nodes == 1 and p.lag_p99 <= CALM and sum(p.redis_cpu) < NEAR_LIMIT
    ]
    idle = [p for p in points if not p.shape.price_ms and p.shape.partitions == 1]
    if len(busy) < 6 or not idle:
        raise UsageError(
            "a model needs at least six points with work, of a simulation that was not late, and "
            "one without: sweep on a machine with more cores, or fewer neighbours"
        )
    entry, trade, hold, read = least_squares(
        [terms(p.shape, p.trades, p.held, p.reads) for p in busy],
        [_load_of(sum(p.redis_cpu)) for p in busy],
    )
    flow = [[p.entries, p.trades] for p in busy]
    received = least_squares(flow, [p.bytes_in for p in busy])
    sent = least_squares(flow, [p.bytes_out for p in busy])
    return Costs(
        entry=entry,
        trade=trade,
        hold=hold,
        read=read,
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


def _load_of(cores: float) -> float:
    """The load under which one server takes so many cores."""
    return cores / (1 - cores)


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
