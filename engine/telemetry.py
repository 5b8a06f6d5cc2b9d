"""What the grid tells of itself, all of it: measures, spans, and the IDs that link them.

Measures are kept here and cost next to nothing; OpenTelemetry looks at them when it exports. Spans
are begun only for what somebody traces. Where they go, ``engine.telemetry_export`` says; if nothing
is set up there, nothing is kept. docs/telemetry.md has a table of it all.
"""

import random
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.measures import FIGURES, Count, Labels, Level, Measure, Times

trades = Count(
    "azfinsim.trades", "{trade}", "Trades that have their outcome", ("outcome", "lane", "algorithm")
)
dead = Count("azfinsim.dead", "{trade}", "Dead letters written", ("lane", "algorithm"))
redeliveries = Count(
    "azfinsim.redeliveries", "{entry}", "Entries taken over from a lapsed lease", ("lane",)
)
handed_back = Count("azfinsim.handed_back", "{entry}", "Entries given back unpriced", ("lane",))
settles_refused = Count(
    "azfinsim.settle.refused", "{entry}", "Entries that somebody else has settled", ("lane",)
)
unreadable = Count("azfinsim.unreadable", "{entry}", "Messages that are no entries", ("lane",))

_TIMED = ("lane", "algorithm")
queue = Times("azfinsim.queue", "s", "From queueing an entry to the start of its pricing", _TIMED)
price = Times("azfinsim.price", "s", "In the pricer, for a trade", _TIMED)
end_to_end = Times("azfinsim.end_to_end", "s", "From queueing an entry to its settling", _TIMED)
fetch = Times("azfinsim.fetch", "s", "Reading what a batch of entries needs", ("lane",))
settle = Times("azfinsim.settle", "s", "Settling a batch of entries, or sending replies", ("lane",))
loop_lag = Times("azfinsim.loop.lag", "s", "By which the event loop was late")

slots_busy = Level("azfinsim.slots.busy", "{slot}", "Slots that are pricing")
slots = Level(
    "azfinsim.slots",
    "{slot}",
    "Slots that there are: of jobs, and as many of realtime where both are served",
    ("lanes",),
)
uptime = Level("azfinsim.uptime", "s", "Since the consumer began to serve")
backlog = Level(
    "azfinsim.backlog", "{entry}", "Entries queued or being priced, told by one for all", ("lane",)
)
pending_age = Level(
    "azfinsim.pending.age", "s", "Since the oldest entry was queued, told by one for all", ("lane",)
)

COUNTS = (trades, dead, redeliveries, handed_back, settles_refused, unreadable)
TIMES = (queue, price, end_to_end, fetch, settle, loop_lag)
LEVELS = (slots_busy, slots, uptime, backlog, pending_age)

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}

_OF_THE_LINE = frozenset({"event", "level", "timestamp", "trace_id", "span_id"})
"""What a log record has a place of its own for."""

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("azfinsim")

_bulk_ratio = 0.0


def begin(bulk_ratio: float) -> None:
    """Keep measures from now, for an exporter that was set up; trace so many of bulk's chunks."""
    global _bulk_ratio
    _bulk_ratio = bulk_ratio
    meter = metrics.get_meter("azfinsim")
    for measure in (*COUNTS, *LEVELS, *TIMES):
        measure.on = True
    for count in COUNTS:
        meter.create_observable_counter(count.name, [partial(_look, count)], count.unit, count.what)
    for level in LEVELS:
        meter.create_observable_gauge(level.name, [partial(_look, level)], level.unit, level.what)
    for times in TIMES:
        for figure in FIGURES:
            meter.create_observable_gauge(
                f"{times.name}.{figure}",
                [partial(_look_at_times, times, figure)],
                times.unit,
                f"{times.what}: {figure}",
            )


def kept() -> bool:
    """Whether measures are kept."""
    return trades.on


def _look(measure: Count | Level, _options: CallbackOptions) -> Iterable[Observation]:
    for value, labels in measure.look():
        yield Observation(value, _attributes(measure, labels))


def _look_at_times(times: Times, figure: str, _options: CallbackOptions) -> Iterable[Observation]:
    for value, labels in times.look(figure):
        yield Observation(value, _attributes(times, labels))


def _attributes(measure: Measure, labels: Labels) -> Mapping[str, str]:
    return dict(zip(measure.labels, labels, strict=True))


def traceparent(span: Span | None = None) -> str:
    """The W3C trace context of a span, or of whoever calls; empty outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span) if span else None)
    return carrier.get("traceparent", "")


def ids_of(parent: str) -> dict[str, str]:
    """What a log line about something traced says of it; nothing for what is not."""
    context = trace.get_current_span(_context(parent)).get_span_context()
    if not parent or not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def _context(parent: str) -> Context:
    return _propagator.extract({"traceparent": parent}, Context())


def tell(event: Mapping[str, Any]) -> None:
    """Pass on a line of the log, as structlog has it: its event, level, and whatever else."""
    if not kept():
        return
    level = str(event.get("level", "info"))
    _logs.get_logger("azfinsim").emit(
        timestamp=time.time_ns(),
        context=_context_of(event),
        severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
        severity_text=level.upper(),
        body=str(event.get("event", "")),
        attributes={
            name: value if isinstance(value, str | bool | int | float) else str(value)
            for name, value in event.items()
            if name not in _OF_THE_LINE
        },
    )


def _context_of(event: Mapping[str, Any]) -> Context:
    if "trace_id" not in event:
        return Context()
    return _context(f"00-{event['trace_id']}-{event['span_id']}-01")


def begin_call(call: str) -> Span | None:
    """The span of a client's call, to be ended by ``end_call``; None if nobody traces."""
    span = _tracer.start_span("price", kind=SpanKind.CLIENT, attributes={"azfinsim.call": call})
    return span if span.is_recording() else None


def end_call(span: Span, outcome: str, reason: str = "") -> None:
    """End a call's span by what came of it."""
    span.set_attribute("azfinsim.outcome", outcome)
    if reason:
        span.set_status(StatusCode.ERROR, reason)
    span.end()


def trace_call(
    parent: str, queued: float, priced: float, attributes: Mapping[str, str | int | float]
) -> None:
    """Trace a call that was answered just now, as part of the client's trace, if he traces it.

    All times in seconds: for how long it had waited when its pricing began, and how long that took;
    the whole is ``azfinsim.total``, which runs from its queueing to the answer.
    """
    if not kept() or not parent:
        return
    context = _context(parent)
    if not trace.get_current_span(context).get_span_context().trace_flags.sampled:
        return
    now = time.time_ns()
    began = now - _ns(float(attributes["azfinsim.total"]))
    span = _tracer.start_span("serve", context, SpanKind.SERVER, dict(attributes), start_time=began)
    within = trace.set_span_in_context(span)
    for name, start, seconds in (("queue", 0.0, queued), ("pricer", queued, priced)):
        part = _tracer.start_span(name, within, start_time=began + _ns(start))
        part.end(began + _ns(start + seconds))
    span.end(now)


def trace_chunk(seconds: float, attributes: Mapping[str, str | int | float]) -> None:
    """Trace a chunk of a job whose pricing took so long and ended just now; one of many is."""
    if _bulk_ratio and random.random() < _bulk_ratio:
        now = time.time_ns()
        span = _tracer.start_span(
            "chunk",
            Context(),
            SpanKind.CONSUMER,
            dict(attributes),
            start_time=now - _ns(seconds),
        )
        span.end(now)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
