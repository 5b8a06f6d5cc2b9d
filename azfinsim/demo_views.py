"""How the demo looks: the bar while it prices, and the summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from azfinsim.demo_tally import Tally
from engine.count import plural
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
    first_seconds: float | None
    """From submission to the first trade seen priced: consumers start, and compile their pricer.
    None for a job that is resumed."""
    earlier_seconds: float | None
    """What lies between the submission of a job that is resumed and this run."""
    collecting_seconds: float
    """To fetch the results and write them to their file."""
    tally: Tally
    results: Path
    logs: Path

    def report(self, elapsed: float) -> dict[str, object]:
        """For ``--json``: the fields of ``job status``, and the demo's own.

        ``elapsed`` is what all of it took, in seconds.
        """
        return {
            **self.seen.report(),
            "elapsed": round(elapsed, 3),
            "first_seconds": _rounded(self.first_seconds),
            "earlier_seconds": _rounded(self.earlier_seconds),
            "paths": self.seen.job.paths,
            **self.tally.report(),
            "pv_total": self.tally.pv_total,
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
            status = f"backlog {counts.in_flight:,}, {plural(consumers(), 'consumer')}"
            advance(counts.ended - shown, status=status)
            shown = counts.ended

        yield look


def show_summary(summary: Summary, elapsed: float) -> None:
    """Print the summary as a table, for a person; ``elapsed`` as in ``Summary.report``."""
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
    row("results written", counts.ended, summary.collecting_seconds)
    row("in flight", counts.in_flight, None)
    stderr.print(table)
    if summary.first_seconds is not None:
        stderr.print(
            f"priced    of its {seen.seconds:,.1f} s, {summary.first_seconds:,.1f} s until the "
            "first price: consumers start and compile"
        )
    if summary.earlier_seconds is not None:
        stderr.print(
            f"priced    of its {seen.seconds:,.1f} s, {summary.earlier_seconds:,.1f} s passed "
            "before this run"
        )
    for line in _price_lines(summary.tally):
        stderr.print(line)
    stderr.print(f"time      {elapsed:,.1f} s from start to summary")
    if not seen.well:
        stderr.print("why       see outcome and reason in the results")
    stderr.print(f"results   {summary.results}")
    stderr.print(f"logs      {summary.logs}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _price_lines(tally: Tally) -> Iterator[str]:
    """What was priced, with how many paths, and how exact it is; nothing of what there is not."""
    told = tally.report()
    if tally.pv_total:
        yield f"PV total  {tally.pv_total:,.2f}"
    if told["paths_max"] is not None:
        yield f"paths     {told['paths_mean']:,.0f} in the mean, {told['paths_max']:,} at most"
    if told["se_relative_max"] is not None:
        asked = f", {tally.accuracy:g} asked for" if tally.accuracy is not None else ""
        yield (
            f"error     relative standard error {told['se_relative_median']:g} in the median, "
            f"{told['se_relative_max']:g} at most{asked}"
        )
    if tally.accuracy_missed:
        yield f"          {tally.accuracy_missed:,} trades had no more paths to get there"
