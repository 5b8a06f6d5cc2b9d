"""Charts of what was sent, queued and used. Pure."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships none

from loadtest.page import style, words
from loadtest.page.chart import Chart, Curve, chart, known, over_time
from loadtest.page.thin import mean
from loadtest.record import Capacity, Column, Record

Told = Callable[[float | None], str]


def rates(record: Record) -> Chart | None:
    """What was planned, sent and answered."""
    series = record.series
    curves = [
        Curve("planned", series.planned_rate, mean, width=1.5),
        Curve("sent", series.sent_rate, mean, width=1.5),
        Curve("priced", series.answered_rate, mean, width=2.5),
        Curve("bulk trades priced", series.bulk_rate, mean),
        Curve("without a price", series.error_rate, max),
        Curve("sent late", series.late_rate, max),
    ]
    told = _told(record, words.rate, mean, "in the mean", curves)
    return over_time("rates", "Rates", told, record, curves, style.rate_axis())


def backlog(record: Record) -> Chart | None:
    """What waits, and what consumers have."""
    series = record.series
    curves = [
        Curve("realtime", series.backlog_realtime, max),
        Curve("high", series.backlog_high, max),
        Curve("bulk", series.backlog_bulk, max),
        Curve("pending: consumers have them", series.pending, max),
    ]
    told = _told(record, words.count, max, "at most", curves)
    return over_time("backlog", "Entries in the grid", told, record, curves, style.plain_axis())


def consumers(record: Record) -> Chart | None:
    """Who prices."""
    series = record.series
    curves = [
        Curve("consumers", series.consumers, min),
        Curve("slots", series.slots, min),
    ]
    told = _told(record, words.count, min, "at least", curves)
    return over_time("consumers", "Consumers and slots", told, record, curves, style.plain_axis())


def processors(record: Record) -> Chart | None:
    """Processor time, in cores."""
    series = record.series
    curves = [
        Curve("Redis", series.redis_cpu, mean, width=2.5),
        Curve("all consumers", series.consumer_cpu, mean),
        Curve("generator", series.generator_cpu, mean),
    ]
    told = _told(record, words.cores, mean, "in the mean", curves)
    return over_time("processors", "Processor, in cores", told, record, curves, style.plain_axis())


def memory(record: Record) -> Chart | None:
    """Resident bytes."""
    series = record.series
    curves = [
        Curve("Redis", series.redis_memory, max, width=2.5),
        Curve("largest consumer", series.consumer_memory, max),
    ]
    told = _told(record, words.size, max, "at most", curves)
    return over_time("memory", "Memory", told, record, curves, style.byte_axis())


def commands(record: Record) -> Chart | None:
    """What Redis did."""
    curves = [Curve("commands", record.series.redis_ops, mean, width=2.5)]
    told = _told(record, words.rate, mean, "in the mean", curves)
    return over_time("commands", "Redis commands", told, record, curves, style.rate_axis())


def _told(
    record: Record,
    unit: Told,
    way: Callable[[list[float]], float],
    how: str,
    curves: Sequence[Curve],
) -> str:
    """The curves in a sentence, by what they show within the measurement."""
    told = []
    for curve in curves:
        column: Column = [
            value for t, value in zip(record.series.t, curve.column, strict=True) if t > 0
        ]
        if any(values := known(column)):
            told.append(f"{curve.name} {unit(way(values))}")
    return f"In the measurement, {how}: {', '.join(told)}." if told else ""


def capacity(record: Record) -> Chart | None:
    """The rates that were tried."""
    found = record.capacity
    if found is None or not any(each.p99 is not None for each in found.tries):
        return None
    traces = [
        go.Scatter(
            name=name,
            x=[each.rate for each in some],
            y=[each.p99 for each in some],
            mode="markers",
            marker={"symbol": symbol, "size": 11, "line": {"width": 2}},
        )
        for name, symbol, met in (
            ("objectives met", "circle", True),
            ("objectives missed", "x-thin-open", False),
        )
        if (some := [t for t in found.tries if t.met is met and t.p99 is not None])
    ]
    return chart(
        "capacity",
        "99th percentile by rate",
        capacity_told(found),
        record,
        traces,
        xaxis={**style.rate_axis(), "ticksuffix": f" {found.unit}"},
        yaxis=style.time_axis(log=True),
        hovermode="closest",
    )


def capacity_told(found: Capacity) -> str:
    """What the search has found."""
    tried = words.plural(len(found.tries), "try", "tries")
    if found.rate is None:
        return f"No rate met the objectives in {tried}."
    return (
        f"The highest rate that met the objectives was {words.number(found.rate)} {found.unit}, "
        f"found in {tried}; limited by: {found.limited_by}. {found.why}"
    ).strip()
