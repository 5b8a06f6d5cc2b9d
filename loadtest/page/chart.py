"""A chart of the page, and what those over time have in common. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships none

from loadtest.page import style
from loadtest.page.thin import Way, thin
from loadtest.record import Column, Fault, Phase, Record

LABELLED = 25
"""Faults that can be told apart on the page of a phone; of more, only the bands are drawn."""

APART = 0.035
"""Of the axis between two faults' names at least, so that they do not lie on each other."""

LONGEST = 40
"""Characters of a name in a subtitle."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One of them."""

    key: str
    """For links, and in the name of its picture's file."""
    title: str
    told: str
    """What is to be seen on it, for whoever does not see it."""
    data: list[dict[str, Any]]
    layout: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """A column of a record's series, and how it is drawn."""

    name: str
    column: Column
    way: Way
    """How intervals are drawn together where there are more than can be seen."""
    width: float = 2
    dash: str = "solid"
    """For a curve that others may lie on."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Of a time axis."""

    name: str
    seconds: float

    @classmethod
    def of(cls, span: float) -> "Unit":
        """The one that suits so many seconds."""
        if span < 600:
            return cls("s", 1)
        return cls("min", 60) if span < 5 * 3600 else cls("h", 3600)


def label(text: str) -> str:
    """A name from a record, in plotly's own markup, which takes some of HTML."""
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…", quote=False)


def subtitle(record: Record) -> str:
    """Whose chart it is, once it has left its page."""
    name = str(record.scenario.get("name") or "load test")
    return f"{label(name)}, {label(record.started[:10])}"


def known(column: Iterable[float | None]) -> list[float]:
    """The values that are known."""
    return [value for value in column if value is not None]


def chart(
    key: str, title: str, told: str, record: Record, traces: Sequence[Any], **layout: Any
) -> Chart:
    """A chart of plotly's own traces, which know what they may hold."""
    whole = {**style.layout(title, subtitle(record)), **layout}
    figure = go.Figure(data=list(traces), layout=whole).to_plotly_json()
    # The page has templates of its own, once for all.
    figure["layout"].pop("template", None)
    return Chart(key, title, told, figure["data"], figure["layout"])


def over_time(
    key: str,
    title: str,
    told: str,
    record: Record,
    curves: Sequence[Curve],
    axis: dict[str, Any],
    lines: Sequence[tuple[str, float]] = (),
) -> Chart | None:
    """Curves over the time of a test, with its phases and faults; None if nothing is known.

    ``lines`` are limits: what they are called, and where they lie.
    """
    seen = [curve for curve in curves if any(known(curve.column))]
    if not seen:
        return None
    times = record.series.t
    unit = Unit.of(times[-1] - times[0])
    traces = [_trace(curve, times, unit) for curve in seen]
    first, last = times[0] - (times[1] - times[0] if len(times) > 1 else 0), times[-1]
    return chart(
        key,
        title,
        told,
        record,
        traces,
        xaxis={
            "ticksuffix": f" {unit.name}",
            "hoverformat": ".4~g",
            "range": [first / unit.seconds, last / unit.seconds],
        },
        yaxis=axis,
        shapes=[
            *(_band(fault, unit) for fault in record.faults),
            *(_border(phase.from_, unit) for phase in record.phases[1:]),
            *(_line(level) for _, level in lines),
        ],
        annotations=[
            *_fault_names(record.faults, unit, last - first),
            *(_phase_name(phase, unit) for phase in record.phases),
            *(_line_name(name, level, log=axis.get("type") == "log") for name, level in lines),
        ],
    )


def _trace(curve: Curve, times: Sequence[float], unit: Unit) -> Any:
    kept, values = thin(times, curve.column, curve.way)
    return go.Scatter(
        name=curve.name,
        x=[round(t / unit.seconds, 6) for t in kept],
        y=values,
        # A lone point between gaps has no line.
        mode="lines+markers" if len(known(values)) < 3 else "lines",
        line={"width": curve.width, "dash": curve.dash},
        connectgaps=False,
    )


def _band(fault: Fault, unit: Unit) -> dict[str, Any]:
    return {
        "type": "rect",
        "yref": "paper",
        "x0": fault.from_ / unit.seconds,
        "x1": fault.to / unit.seconds,
        "y0": 0,
        "y1": 1,
        "fillcolor": style.FAULT,
        # A fault that is over at once must be seen too.
        "line": {"width": 1, "color": style.FAULT},
        "layer": "below",
    }


def _border(at: float, unit: Unit) -> dict[str, Any]:
    x = at / unit.seconds
    line = {"width": 1, "dash": "dot", "color": style.PHASE}
    return {"type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1.03, "line": line}


def _line(level: float) -> dict[str, Any]:
    line = {"width": 1.5, "dash": "dash", "color": style.PHASE}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level,
        "y1": level,
        "line": line,
    }


def _line_name(name: str, level: float, *, log: bool) -> dict[str, Any]:
    # An annotation's place on a log axis is told as the exponent, unlike a shape's.
    return {
        "text": label(name),
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "y": log10(level) if log else level,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11},
    }


def _phase_name(phase: Phase, unit: Unit) -> dict[str, Any]:
    return {
        # The page hides those that are wider than their phase.
        "name": f"phase {phase.from_ / unit.seconds} {phase.to / unit.seconds}",
        "text": label(phase.name),
        "x": (phase.from_ + phase.to) / 2 / unit.seconds,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


def _fault_names(faults: Sequence[Fault], unit: Unit, span: float) -> list[dict[str, Any]]:
    if len(faults) > LABELLED:
        return []
    told, last = [], -float("inf")
    for fault in sorted(faults, key=lambda fault: fault.from_):
        middle = (fault.from_ + fault.to) / 2
        if middle - last < APART * span:
            continue
        last = middle
        told.append(
            {
                "text": label(fault.kind),
                "x": middle / unit.seconds,
                "yref": "paper",
                "y": 0.98,
                "yanchor": "top",
                "textangle": -90,
                "showarrow": False,
                "font": {"size": 11},
            }
        )
    return told
