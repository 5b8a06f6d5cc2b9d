"""Charts of how long calls took. Pure."""

import re
from collections.abc import Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships none

from loadtest.histogram import histogram
from loadtest.page import style, words
from loadtest.page.chart import Chart, Curve, chart, known, label, over_time
from loadtest.page.thin import mean
from loadtest.record import Fault, Objective, Record, Times

POINTS = 24
"""Of a curve of percentiles, for each nine."""

NINES = 5
"""Up to 99.999%."""

AFTERMATH = 2.0
"""Seconds after a fault is healed in which what goes wrong is put beside it."""

_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def percentiles(record: Record) -> Chart | None:
    """Latency by percentile, whole and in its parts, where each nine has as much room."""
    if record.realtime is None or not record.realtime.latency.count:
        return None
    calls = record.realtime
    parts = {
        "total": calls.latency,
        "queued": calls.queue,
        "in the pricer": calls.price,
        "ways there and back": calls.return_,
    }
    curves = {name: _curve(times) for name, times in parts.items() if times.count and times.hdr}
    traces = [
        go.Scatter(
            name=name,
            x=[share for share, _ in points],
            y=[seconds for _, seconds in points],
            customdata=[f"{100 - 100 / share:.6g}%" for share, _ in points],
            hovertemplate="%{customdata} within %{y}",
            line={"width": 3 if number == 0 else 2, "dash": style.DASHES[number]},
            mode="lines",
        )
        for number, (name, points) in enumerate(curves.items())
    ]
    if limits := _limits(record.verdict.objectives):
        traces.append(
            go.Scatter(
                name="limits",
                x=[1 / (1 - percent / 100) for _, percent, _ in limits],
                y=[limit for _, _, limit in limits],
                text=[label(text) for text, _, _ in limits],
                textposition="middle right",
                hoverinfo="text",
                mode="markers+text",
                marker={"symbol": "triangle-down", "size": 12},
            )
        )
    nines = [10.0**nine for nine in range(1, NINES + 1)]
    return chart(
        "percentiles",
        "Latency by percentile",
        _told(calls.latency),
        record,
        traces,
        xaxis={
            "type": "log",
            "tickvals": [2, *nines],
            "ticktext": ["50%", *(f"{100 - 100 / n:.6g}%" for n in nines)],
            "hoverformat": ".3~s",
        },
        yaxis=style.time_axis(seconds for points in curves.values() for _, seconds in points),
        hovermode="closest",
    )


def _curve(times: Times) -> list[tuple[float, float]]:
    """From the median to the last percentile that there are calls for: 1/(1-p), seconds."""
    shares = [10 ** (step / POINTS) for step in range(POINTS * NINES + 1)]
    wanted = [s for s in shares if 2 <= s <= max(2, times.count)]
    wanted = sorted({2.0, *wanted})
    percents = [100 - 100 / share for share in wanted]
    found = histogram(times).percentiles(*percents)
    return list(zip(wanted, found, strict=True))


def _limits(objectives: Sequence[Objective]) -> list[tuple[str, float, float]]:
    """Those of percentiles: as they were asked for, percent, seconds."""
    return [
        (each.objective, _PERCENTILES[found[1]], each.limit)
        for each in objectives
        if (found := re.fullmatch(r"realtime\.(?:latency\.)?(p\d+)", each.measure))
    ]


def _told(times: Times) -> str:
    return (
        f"Half of {words.count(times.count)} calls were answered within "
        f"{words.seconds(times.p50)}, 90% within {words.seconds(times.p90)}, "
        f"99% within {words.seconds(times.p99)}, 99.9% "
        f"within {words.seconds(times.p999)}; the longest took {words.seconds(times.max)}."
    )


def latency(record: Record) -> Chart | None:
    """The percentiles of each interval."""
    series = record.series
    limits = [
        (text, limit)
        for text, percent, limit in _limits(record.verdict.objectives)
        if percent in (50.0, 99.0)
    ]
    curves = [
        Curve("longest", series.max, max, width=1),
        Curve("99th percentile", series.p99, max),
        Curve("median", series.p50, mean, width=3),
    ]
    axis = style.time_axis(known([*series.p50, *series.max]))
    return over_time("latency", "Latency over time", _worst(record), record, curves, axis, limits)


def _worst(record: Record) -> str:
    series = record.series
    rows = zip(series.t, series.p99, strict=False)
    seen = [(p99, t) for t, p99 in rows if p99 is not None and t > 0]
    if not seen:
        return ""
    worst, at = max(seen)
    middle = sorted(p99 for p99, _ in seen)[len(seen) // 2]
    during = _during(record.faults, at)
    return (
        f"The 99th percentile of an interval was {words.seconds(middle)} in the median, and "
        f"{words.seconds(worst)} at worst, {words.seconds(at)} after the start{during}."
    )


def _during(faults: Sequence[Fault], at: float) -> str:
    """Which fault struck last before a moment, if it was not long ago."""
    struck = [fault for fault in faults if fault.from_ <= at <= fault.to + AFTERMATH]
    return f"; the last fault before was {struck[-1].kind}: {struck[-1].what}" if struck else ""
