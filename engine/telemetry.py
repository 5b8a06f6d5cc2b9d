"""Every instrument of the grid, in one file, by OpenTelemetry's API.

Without an SDK set up at the command-line edge they cost a call and do nothing.
"""

from opentelemetry import metrics
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_meter = metrics.get_meter("azfinsim")

trades = _meter.create_counter(
    "azfinsim.trades", unit="{trade}", description="Trades settled, by outcome and lane"
)
price_seconds = _meter.create_histogram(
    "azfinsim.price.duration", unit="s", description="Time in the pricer for a chunk"
)
queue_seconds = _meter.create_histogram(
    "azfinsim.queue.duration", unit="s", description="Time from queueing to the start of pricing"
)
settle_seconds = _meter.create_histogram(
    "azfinsim.settle.duration", unit="s", description="Time to settle a batch of entries"
)
settles_refused = _meter.create_counter(
    "azfinsim.settle.refused", unit="{entry}", description="Entries that somebody else has settled"
)
redeliveries = _meter.create_counter(
    "azfinsim.redeliveries", unit="{entry}", description="Entries taken over from a lapsed lease"
)
handed_back = _meter.create_counter(
    "azfinsim.handed_back", unit="{entry}", description="Entries given back unpriced"
)
unreadable = _meter.create_counter(
    "azfinsim.unreadable", unit="{entry}", description="Messages that are no entries"
)
slots_busy = _meter.create_up_down_counter(
    "azfinsim.slots.busy", unit="{slot}", description="Slots that are pricing"
)

_propagator = TraceContextTextMapPropagator()


def traceparent() -> str:
    """The W3C trace context of whoever calls, empty outside of any span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")
