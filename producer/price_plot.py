"""A picture of a ladder: its figures, with a band where the standard error shows.

Only the command module imports this. Matplotlib, the extra ``azfinsim[plot]``, is imported when a
picture is asked for.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import UsageError
from producer.client_asks import Asked
from producer.client_result import Result
from producer.ndjson import output_file
from producer.price_terms import Ladder
from producer.price_views import Rung, figures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")

BAND = 1.96
"""Standard errors to each side: 95 % of the estimates lie so near to the truth."""

_UNITS = {
    "spot": "domestic per foreign unit",
    "strike": "domestic per foreign unit",
    "drift": "per year",
    "vol": "per √year",
    "vol_of_vol": "per √year",
    "maturity": "years",
    "pv": "trade's currency",
    "delta": "currency per unit of spot",
    "vega": "currency per unit of vol",
}


def check_plot(path: Path) -> None:
    """Raise UsageError if no picture can be drawn to this file."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {path}: its name must end in {' or '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401 - to know now, and not when the prices are there
    except ImportError:
        raise UsageError(
            "--plot needs matplotlib, which is not installed: pip install 'azfinsim[plot]'"
        ) from None


def draw(path: Path, ladders: Sequence[Ladder], rungs: Sequence[Rung], asked: Asked) -> None:
    """Draw the rungs that were priced: lines along one ladder, colours over two.

    Raises UsageError if the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    names = [name for name in figures_of(rungs) if name != "se"]
    figure = Figure(figsize=(7.5, 1.2 + 2.9 * max(len(names), 1)), layout="constrained")
    FigureCanvasAgg(figure)  # No window: nobody need have a display.
    axes: Any = figure.subplots(max(len(names), 1), 1, squeeze=False)[:, 0]
    for ax, name in zip(axes, names, strict=False):
        if len(ladders) == 1:
            _lines(ax, ladders[0], rungs, name)
            ax.yaxis.set_major_formatter(EngFormatter())
        else:
            mesh = _colours(ax, ladders, rungs, name)
            figure.colorbar(mesh, ax=ax, label=_labelled(name), format=EngFormatter())
    _title(figure, rungs, asked)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.lower().lstrip("."), dpi=144)
    with output_file(path) as output:
        output.write(picture.getvalue())


def _lines(ax: "Axes", ladder: Ladder, rungs: Sequence[Rung], name: str) -> None:
    x, y = np.array(ladder.values, dtype=float), _values(rungs, name)
    error = BAND * _values(rungs, "se" if name == "pv" else f"{name}_se")
    if np.isfinite(error).any():
        ax.fill_between(x, y - error, y + error, alpha=0.3, label=f"± {BAND} standard errors")
    ax.plot(x, y, marker="o", markersize=3, label=_shown(name))
    ax.set_xlabel(_labelled(ladder.field))
    ax.set_ylabel(_labelled(name))
    ax.grid(alpha=0.3)
    ax.legend()


def _colours(ax: "Axes", ladders: Sequence[Ladder], rungs: Sequence[Rung], name: str) -> "QuadMesh":
    across, up = ladders
    table = _values(rungs, name).reshape(len(across.values), len(up.values)).T
    x, y = (np.array(ladder.values, dtype=float) for ladder in (across, up))
    ax.set_xlabel(_labelled(across.field))
    ax.set_ylabel(_labelled(up.field))
    return ax.pcolormesh(x, y, table, shading="nearest")


def _title(figure: "Figure", rungs: Sequence[Rung], asked: Asked) -> None:
    words = [asked["algorithm"], f"trade {rungs[0][0]['id']}", f"seed {asked['seed']}"]
    paths = [answer.paths for _, answer in rungs if isinstance(answer, Result) and answer.paths]
    if paths:
        least, most = min(paths), max(paths)
        words.append(f"{least:,} paths" if least == most else f"{least:,} to {most:,} paths")
    figure.suptitle(", ".join(words), fontsize=10)


def _values(rungs: Sequence[Rung], name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A figure of each rung; NaN, which is not drawn, where it has none."""
    records = [answer.record if isinstance(answer, Result) else {} for _, answer in rungs]
    return np.array([record.get(name, np.nan) for record in records], dtype=np.float64)


def _shown(name: str) -> str:
    return "PV" if name == "pv" else name.replace("_", " ")


def _labelled(name: str) -> str:
    unit = _UNITS.get(name)
    return f"{_shown(name)} [{unit}]" if unit else _shown(name)
