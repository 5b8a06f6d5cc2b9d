"""How charts look: by day, by night, and alike for whoever does not see all colours. Pure."""

from typing import Any

HEIGHT = 380
"""Pixels of a chart; the style sheet keeps the place free."""

PICTURE = {"format": "png", "width": 1280, "height": 640, "scale": 2}
"""What the camera makes of a chart: for a slide, sharp on a screen of many dots."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Curves differ in these too, so that nobody need tell colours."""

FAULT = "rgba(213, 94, 0, 0.22)"
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
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 10},
        },
        "margin": {"l": 8, "r": 12, "t": 84, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": -0.12, "yanchor": "top"},
        "hovermode": "x unified",
        "showlegend": True,
    }


def time_axis(*, log: bool = False) -> dict[str, Any]:
    """For times: ``10 ms``."""
    return _si("s", log)


def rate_axis(*, log: bool = False) -> dict[str, Any]:
    """For rates: ``1.2k/s``."""
    return _si("/s", log)


def byte_axis() -> dict[str, Any]:
    """For memory: ``200 MB``."""
    return _si("B", log=False)


def plain_axis() -> dict[str, Any]:
    """For counts and cores."""
    return _si("", log=False)


def _si(unit: str, log: bool) -> dict[str, Any]:
    # D3's SI prefixes. Digits of a whole magnitude alone: between them they would run together.
    told = {"tickformat": "~s", "hoverformat": ".3~s", "ticksuffix": unit}
    if log:
        return {**told, "type": "log", "dtick": 1}
    return {**told, "rangemode": "tozero"}
