"""How the demo looks: the bar while it prices, and the summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from engine.edge import progress, stderr
from engine.job import Progress
from producer.wait import Look


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the demo."""

    seen: Progress
    making_seconds: float | None
    """None if the book was there already; likewise ``queueing_seconds``."""
    queueing_seconds: float | None
    pv_total: float
    results: Path
    logs: Path

    def report(self) -> dict[str, object]:
        """For ``--json``: the fields of ``job status``, and the demo's own."""
        return {
            **self.seen.report(),
            "paths": self.seen.job.paths,
            "pv_total": self.pv_total,
            "results": str(self.results),
            "logs": str(self.logs),
        }


@contextmanager
def watching(trades: int, consumers: Callable[[], int]) -> Iterator[Callable[[Look], None]]:
    """Show rate, time left, backlog and consumers while the body runs."""
    shown = 0
    with progress("price", trades) as advance:

        def look(seen: Look) -> None:
            nonlocal shown
            counts = seen.progress.counts
            status = f"backlog {counts.in_flight:,}, {consumers()} consumers"
            advance(counts.ended - shown, status=status)
            shown = counts.ended

        yield look


def show_summary(summary: Summary) -> None:
    """Print the summary as a table, for a person."""
    seen, counts = summary.seen, summary.seen.counts
    table = Table(title="Every trade accounted for" if seen.well else "Some trades fell short")
    table.add_column("")
    table.add_column("trades", justify="right")
    table.add_column("trades/s", justify="right")
    table.add_column("seconds", justify="right")

    def row(what: str, trades: int, seconds: float | None) -> None:
        rate = f"{trades / seconds:,.0f}" if seconds else ""
        table.add_row(what, f"{trades:,}", rate, f"{seconds:,.1f}" if seconds else "")

    row("made and cached", counts.submitted, summary.making_seconds)
    row("submitted", counts.submitted, summary.queueing_seconds)
    row("priced", counts.priced, seen.seconds)
    for outcome in ("rejected", "dead", "expired", "cancelled"):
        if count := getattr(counts, outcome):
            row(outcome, count, None)
    row("in flight", counts.in_flight, None)
    stderr.print(table)
    if summary.pv_total:
        paths = f" ({seen.job.paths:,} paths a trade)" if seen.job.paths else ""
        stderr.print(f"PV total  {summary.pv_total:,.2f}{paths}")
    if not seen.well:
        stderr.print("why       see outcome and reason in the results")
    stderr.print(f"results   {summary.results}")
    stderr.print(f"logs      {summary.logs}")
