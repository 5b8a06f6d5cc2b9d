"""Charts of what was sent, queued and used. Pure."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships none

from engine.count import plural
from loadtest.page import style, words
from loadtest.page.chart import Chart, Curve, chart, known, label, over_time
from loadtest.page.thin import Way, mean
from loadtest.record import Capacity, Record

Told = Callable[[float | None], str]

MEAN, HIGHEST, LOWEST = ("Mean", mean), ("Highest", max), ("Lowest", min)


def calls(record: Record) -> Chart | None:
    """What was planned, sent and answered."""
    series = record.series
    curves = [
        Curve("priced", series.answered_rate, mean, width=3),
        Curve("planned", series.planned_rate, mean, dash="dash"),
        Curve("sent", series.sent_rate, mean, dash="dot"),
        Curve("without a price", series.error_rate, max),
        Curve("sent late", series.late_rate, max),
    ]
    told = _told(record, words.rate, MEAN, curves)
    axis = style.plain_axis("/s")
    return over_time("calls", "Realtime calls a second", told, record, curves, axis)


def bulk(record: Record) -> Chart | None:
    """What jobs got of the grid meanwhile."""
    curves = [Curve("priced", record.series.bulk_rate, mean)]
    told = _told(record, words.rate, MEAN, curves)
    axis = style.plain_axis("/s")
    return over_time("bulk", "Bulk trades a second", told, record, curves, axis)


def backlog(record: Record) -> Chart | None:
    """What waits, and what consumers have."""
    series = record.series
    curves = [
        Curve("realtime", series.backlog_realtime, max, width=3),
        Curve("high", series.backlog_high, max),
        Curve("bulk", series.backlog_bulk, max),
        Curve("held by consumers", series.pending, max, dash="dot"),
    ]
    told = _told(record, words.count, HIGHEST, curves)
    axis = style.plain_axis()
    return over_time("backlog", "Entries queued or held", told, record, curves, axis)


def consumers(record: Record) -> Chart | None:
    """Who prices."""
    series = record.series
    curves = [
        Curve("consumers", series.consumers, min, width=3),
        Curve("slots", series.slots, min, dash="dash"),
    ]
    told = _told(record, words.count, LOWEST, curves)
    axis = style.plain_axis()
    return over_time("consumers", "Consumers and slots", told, record, curves, axis)


def processors(record: Record) -> Chart | None:
    """Processor time, in cores."""
    series = record.series
    curves = [
        Curve("Redis", series.redis_cpu, mean, width=3),
        Curve("all consumers", series.consumer_cpu, mean),
        Curve("generator", series.generator_cpu, mean, dash="dot"),
        Curve("wanted and not had", series.waited, mean, dash="dash"),
    ]
    told = _told(record, words.cores, MEAN, curves)
    axis = style.plain_axis()
    return over_time("processors", "Processor, in cores", told, record, curves, axis)


def memory(record: Record) -> Chart | None:
    """Of Redis' data, and resident of consumers."""
    series = record.series
    curves = [
        Curve("Redis", series.redis_memory, max, width=3),
        Curve("largest consumer", series.consumer_memory, max),
    ]
    told = _told(record, words.size, HIGHEST, curves)
    return over_time("memory", "Memory", told, record, curves, style.byte_axis())


def commands(record: Record) -> Chart | None:
    """What Redis did."""
    curves = [Curve("commands", record.series.redis_ops, mean)]
    told = _told(record, words.rate, MEAN, curves)
    axis = style.plain_axis("/s")
    return over_time("commands", "Redis commands a second", told, record, curves, axis)


def _told(record: Record, unit: Told, how: tuple[str, Way], curves: Sequence[Curve]) -> str:
    """The curves in a sentence, by what they show within the measurement."""
    name, way = how
    told = []
    for curve in curves:
        columns = zip(record.series.t, curve.column, strict=False)
        if values := known(value for t, value in columns if t > 0):
            told.append(f"{curve.name} {unit(way(values))}")
    return f"{name} over the measurement: {', '.join(told)}." if told else ""


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
            marker={"symbol": symbol, "size": 11, "line": {"width": width}},
        )
        for name, symbol, width, met in (
            ("objectives met", "circle", 0, True),
            ("objectives missed", "x-thin-open", 2, False),
        )
        if (some := [t for t in found.tries if t.met is met and t.p99 is not None])
    ]
    return chart(
        "capacity",
        "99th percentile by rate",
        capacity_told(found),
        record,
        traces,
        xaxis={**style.plain_axis(), "title": {"text": label(found.unit)}},
        yaxis=style.time_axis(known(each.p99 for each in found.tries)),
        hovermode="closest",
    )


def capacity_told(found: Capacity) -> str:
    """What the search has found."""
    tried = plural(len(found.tries), "try", "tries")
    if found.rate is None:
        return f"No rate met the objectives in {tried}."
    return (
        f"The highest rate that met the objectives was {words.number(found.rate)} {found.unit}, "
        f"found in {tried}; limited by: {found.limited_by}. {found.why}"
    ).strip()
