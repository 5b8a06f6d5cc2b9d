"""The sweep: a list of fleets, each measured on its own, kept as JSON as it grows."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from engine.count import plural
from engine.errors import UsageError
from loadtest.fleet.measure import measure
from loadtest.fleet.shape import Point, Shape

FORMAT = 1

SMALL = Shape(consumers=40, slots=16, chunk=100, price_ms=50)
LARGE = Shape(consumers=156, slots=64, chunk=100, price_ms=50)
"""Some 10,000 cores: a rack's worth of machines with 64 each."""

TRIPLE = Shape(consumers=60, slots=64, chunk=50, price_ms=50, nodes=3, partitions=3)


def shapes() -> list[Shape]:
    """What the sweep measures: one thing changed at a time."""
    return [
        replace(SMALL, price_ms=0),
        replace(LARGE, price_ms=0),
        replace(SMALL, price_ms=0, partitions=4),
        *(replace(SMALL, chunk=chunk) for chunk in (1, 5, 10, 20, 50, 100, 200)),
        *(replace(LARGE, chunk=chunk) for chunk in (5, 10, 20, 50, 100, 200)),
        *(
            replace(LARGE, consumers=consumers, slots=slots)
            for consumers, slots in ((10, 1000), (40, 250), (78, 128), (312, 32), (625, 16))
        ),
        replace(SMALL, consumers=160),
        replace(SMALL, slots=128),
        replace(SMALL, chunk=20, partitions=4),
        replace(LARGE, partitions=4),
        replace(SMALL, price_ms=5),
        replace(SMALL, price_ms=500),
        replace(LARGE, price_ms=500),
        replace(LARGE, consumers=10, slots=1000, price_ms=500),
        replace(TRIPLE, nodes=1, partitions=1),
        replace(TRIPLE, nodes=1),
        TRIPLE,
        replace(TRIPLE, partitions=6),
        replace(TRIPLE, partitions=12),
    ]


async def sweep(
    wanted: Sequence[Shape],
    seconds: float,
    runs: int,
    path: Path,
    machine: dict[str, object],
    tell: Callable[[str], None],
) -> list[Point]:
    """Measure each shape so many times, for so many seconds, and write all points to a file.

    The runs are rounds through the list, so that a neighbour's burst does not hit all of one
    shape. The file is written after each point: a sweep that is cut short is not lost.
    """
    points: list[Point] = []
    for run in range(runs):
        for number, shape in enumerate(wanted, start=1):
            tell(f"run {run + 1} of {runs}, fleet {number} of {len(wanted)}: {told(shape)}")
            point = await measure(shape, seconds)
            tell(f"  {summary(point)}")
            points.append(point)
            write(path, points, machine)
    return points


def told(shape: Shape) -> str:
    """A shape in words."""
    where = f"{shape.nodes} nodes, " if shape.nodes > 1 else ""
    what = f"chunks of {shape.chunk} at {shape.price_ms:g} ms a trade" if shape.price_ms else "idle"
    return (
        f"{shape.consumers} consumers x {shape.slots} slots, {what}, {where}"
        f"{plural(shape.partitions, 'partition')}"
    )


def summary(point: Point) -> str:
    """A point in words."""
    return (
        f"{point.trades:,.0f} trades/s, {point.efficiency:.0%} of the ideal, limited by "
        f"{point.limited_by}; Redis {sum(point.redis_cpu):.2f} cores"
    )


def write(path: Path, points: Sequence[Point], machine: dict[str, object]) -> None:
    """Keep points as JSON."""
    document = {
        "format": FORMAT,
        "machine": machine,
        "points": [
            {**asdict(p), "efficiency": p.efficiency, "limited_by": p.limited_by} for p in points
        ],
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def read(path: Path) -> list[Point]:
    """The points of a sweep's file. Raises UsageError if it is none."""
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a sweep: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"{path} is no sweep of format {FORMAT}")
    return [Point.from_json(point) for point in document["points"]]


def medians(points: Sequence[Point]) -> list[Point]:
    """For each shape the run whose Redis CPU is the median one (the lower of the middle two).

    Runs in which the simulation was too slow count only where there is no other.
    """
    by_shape: dict[Shape, list[Point]] = {}
    for point in points:
        by_shape.setdefault(point.shape, []).append(point)
    return [
        _middle([run for run in runs if run.limited_by != "simulation"] or runs)
        for runs in by_shape.values()
    ]


def _middle(runs: Sequence[Point]) -> Point:
    middle = statistics.median_low([_cpu_per_trade(point) for point in runs])
    return next(point for point in runs if _cpu_per_trade(point) == middle)


def _cpu_per_trade(point: Point) -> float:
    return sum(point.redis_cpu) / (point.trades or 1.0)
