"""A picture of a sweep: what Redis takes for a trade by chunk, and measured beside modelled.

Matplotlib, the extra ``azfinsim[plot]``, is imported when a picture is asked for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from loadtest.fleet.model import Costs, redis_cpu
from loadtest.fleet.shape import Point

_MARKS = {"slots": "o", "redis": "s", "simulation": "x", "work": "v", "unknown": "^"}


def draw(path: Path, points: Sequence[Point], costs: Costs) -> None:
    """Draw the points; raises UsageError if that cannot be done."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"--plot {path}: its name must end in .svg or .png")
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "--plot needs matplotlib, which is not installed: pip install 'azfinsim[plot]'"
        ) from None
    busy = [point for point in points if point.trades]
    # The same bytes for the same points, so that a picture that is kept changes only with them; and
    # text as text, which is a third of the bytes.
    with rc_context({"svg.hashsalt": "azfinsim", "svg.fonttype": "none"}):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        FigureCanvasAgg(figure)  # No window: nobody need have a display.
        by_chunk, by_model = figure.subplots(1, 2)
        _by_chunk(by_chunk, busy)
        _by_model(by_model, busy, costs)
        try:
            figure.savefig(path, dpi=120, metadata=_undated(path))
        except OSError as error:
            raise UsageError(f"--plot {path}: {error.strerror}") from error


def _undated(path: Path) -> dict[str, str | None]:
    return {"Date": None} if path.suffix.lower() == ".svg" else {}


def _by_chunk(axes: Any, points: Sequence[Point]) -> None:
    """Redis' processor for a trade, of fleets that differ in their chunk alone."""
    from matplotlib.ticker import LogLocator

    lines: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        shape = point.shape
        if shape.nodes == shape.partitions == 1 and shape.price_ms == 50:
            lines.setdefault((shape.consumers, shape.slots), []).append(point)
    for (consumers, slots), line in lines.items():
        if len(line) < 3:
            continue
        line.sort(key=lambda point: point.shape.chunk)
        axes.plot(
            [point.shape.chunk for point in line],
            [1e6 * sum(point.redis_cpu) / point.trades for point in line],
            marker="o",
            label=f"{consumers} consumers x {slots} slots",
        )
    axes.set(xscale="log", yscale="log", xlabel="trades an entry", ylabel="Redis CPU a trade [µs]")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.grid(alpha=0.3, which="both")
    if axes.lines:
        axes.legend()


def _by_model(axes: Any, points: Sequence[Point], costs: Costs) -> None:
    """Measured over modelled, a mark for what limited the point."""
    for limit, mark in _MARKS.items():
        some = [point for point in points if point.limited_by == limit]
        if not some:
            continue
        axes.plot(
            [redis_cpu(costs, p.shape, p.trades) for p in some],
            [sum(p.redis_cpu) for p in some],
            mark,
            label=f"limited by {limit}",
            fillstyle="none",
        )
    top = 1.1 * max((sum(point.redis_cpu) for point in points), default=1.0)
    axes.plot([0, top], [0, top], linewidth=0.8, color="grey")
    axes.set(xlabel="Redis, by the model [cores]", ylabel="Redis, measured [cores]")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
