"""How charts look: by day, by night, and alike for whoever does not see all colours. Pure."""

from collections.abc import Iterable
from math import log10
from typing import Any

from loadtest.page import words

PICTURE = {"format": "png", "width": 1280, "height": 640, "scale": 2}
"""What the camera makes of a chart: for a slide, sharp on a screen of many dots."""

DASHES = ("solid", "dash", "dot", "dashdot")
"""Of curves that may lie on each other."""

FAULT = "rgba(213, 94, 0, 0.3)"
"""A fault's band, seen on both grounds."""

PHASE = "rgba(128, 128, 128, 0.7)"
"""The line between two phases, likewise."""

# Okabe and Ito's colours ("Color Universal Design", 2008), which most colour-blind people can tell
# apart; the light ones made darker for the light ground, the dark ones lighter for the dark one.
_COLOURS = {
    "light": ("#0072b2", "#d55e00", "#007d5c", "#b0497f", "#8a6d00", "#444444"),
    "dark": ("#56b4e9", "#ff9147", "#2fc39a", "#e79ac6", "#f0e442", "#cccccc"),
}

_GROUND = {
    "light": {"paper": "#ffffff", "ink": "#1b1f24", "faint": "#5b6470", "grid": "#e3e6ea"},
    "dark": {"paper": "#16191d", "ink": "#e8eaed", "faint": "#a4acb6", "grid": "#33393f"},
}

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def templates() -> dict[str, dict[str, Any]]:
    """Plotly's templates ``light`` and ``dark``."""
    return {name: {"layout": _template(name)} for name in _GROUND}


def _template(name: str) -> dict[str, Any]:
    ground = _GROUND[name]
    axis = {
        "gridcolor": ground["grid"],
        "linecolor": ground["faint"],
        "zerolinecolor": ground["grid"],
        "tickfont": {"color": ground["faint"]},
        "automargin": True,
        # A gap between labels and axis.
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0,0,0,0)",
    }
    return {
        "colorway": list(_COLOURS[name]),
        "paper_bgcolor": ground["paper"],
        "plot_bgcolor": ground["paper"],
        "font": {"family": _FONT, "size": 13, "color": ground["ink"]},
        "title": {"font": {"size": 17}, "subtitle": {"font": {"color": ground["faint"]}}},
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": ground["paper"], "font": {"color": ground["ink"]}},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": ground["faint"],
            "activecolor": ground["ink"],
        },
    }


def layout(title: str, subtitle: str) -> dict[str, Any]:
    """What all charts have in common."""
    return {
        "title": {
            "text": title,
            "subtitle": {"text": subtitle, "font": {"size": 12}},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 8, "l": 4},
        },
        "margin": {"l": 8, "r": 12, "t": 80, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": -0.12, "yanchor": "top"},
        "hovermode": "x unified",
        "showlegend": True,
    }


def time_axis(times: Iterable[float]) -> dict[str, Any]:
    """For times, in seconds, over their magnitudes: ``1 ms``, ``2 ms``, ``5 ms``, ``10 ms``.

    ``times`` are some that lie on it.
    """
    sizes = [log10(time) for time in times if time > 0] or [0.0]
    # More labels than some ten would lie on each other on a phone.
    steps = (1, 2, 5) if max(sizes) - min(sizes) <= 2.5 else (1,)
    values = [step * 10.0**size for size in range(-7, 5) for step in steps]
    return {
        "type": "log",
        "tickvals": values,
        "ticktext": [words.seconds(value) for value in values],
        "hoverformat": ".3~s",
        "ticksuffix": "s",
    }


def byte_axis() -> dict[str, Any]:
    """For memory: ``200MB``."""
    # D3's SI prefixes.
    told = {"tickformat": "~s", "hoverformat": ".3~s", "ticksuffix": "B"}
    return {**told, "rangemode": "tozero"}


def plain_axis(unit: str = "") -> dict[str, Any]:
    """For counts, cores and rates: ``0.5``, ``20k``. Of those, nobody thinks in thousandths."""
    told = {"exponentformat": "SI", "minexponent": 3, "hoverformat": ",.4~r", "ticksuffix": unit}
    return {**told, "rangemode": "tozero"}
