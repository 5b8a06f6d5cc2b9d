"""All charts of a record, in the order of the page. Pure."""

from loadtest.page import latency_charts, load_charts
from loadtest.page.chart import Chart
from loadtest.record import Record


def charts_of(record: Record) -> list[Chart]:
    """Those for which something was measured."""
    made = (
        latency_charts.percentiles(record),
        latency_charts.latency(record),
        load_charts.calls(record),
        load_charts.bulk(record),
        load_charts.backlog(record),
        load_charts.consumers(record),
        load_charts.processors(record),
        load_charts.memory(record),
        load_charts.commands(record),
        load_charts.capacity(record),
    )
    return [chart for chart in made if chart is not None]
