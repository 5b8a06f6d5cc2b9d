"""What a person sees while a test runs, and at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.count import plural
from engine.edge import note, stderr
from engine.job import Lane
from loadtest import record
from loadtest.run.round import Round
from loadtest.timetable import WARM_UP, planned_rate

LINE_EVERY = 10.0
"""Seconds between lines where standard error is no terminal."""

DRAW_EVERY = 0.5
"""Seconds between pictures: this process shares cores with what is measured."""

STRIKES_SHOWN = 3


@dataclass(slots=True)
class Show:
    """Shows one round after another."""

    live: Live | None
    """None where standard error is no terminal."""
    title: str = ""
    _drawn_at: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Tell something that stays to be read."""
        note(text)

    def look(self, measured: Round) -> None:
        """Show how far a round is."""
        now = time.monotonic()
        if now - self._drawn_at < (LINE_EVERY if self.live is None else DRAW_EVERY):
            return
        self._drawn_at = now
        if self.live is None:
            note(_line(measured))
        else:
            self.live.update(_picture(measured, self.title), refresh=True)


@contextmanager
def showing(title: str) -> Iterator[Show]:
    """Show what goes on while the body runs."""
    if not stderr.is_terminal:
        yield Show(None, title)
        return
    with Live(console=stderr, auto_refresh=False, transient=True) as live:
        yield Show(live, title)


def show_end(told: record.Record, paths: list[Path]) -> None:
    """The verdict first, then what it rests on."""
    verdict = told.verdict
    stderr.print(Text.assemble(_verdict(told), f"  {told.scenario.get('name', '')}"))
    if not verdict.objectives and told.capacity is None:
        stderr.print("  nothing was asked for: the scenario has no objectives", markup=False)
    if why := verdict.ended_early or verdict.invalid:
        stderr.print(f"  {why}", markup=False)
    for warning in verdict.warnings:
        stderr.print(Text.assemble(("  warning  ", "yellow"), warning))
    if verdict.objectives:
        stderr.print(_objectives(verdict.objectives))
    stderr.print(_figures(told))
    if (capacity := told.capacity) is not None:
        found = "no rate" if capacity.rate is None else f"{capacity.rate:,.1f} {capacity.unit}"
        stderr.print(
            f"capacity  {found} met the objectives twice; limited by {capacity.limited_by}: "
            f"{capacity.why}",
            markup=False,
        )
    for path in paths:
        stderr.print(f"written   {path}", markup=False)


def _verdict(told: record.Record) -> tuple[str, str]:
    """In a word, and its style."""
    verdict = told.verdict
    if verdict.ended_early:
        return "ENDED EARLY", "bold red"
    if verdict.invalid:
        return "INVALID", "bold yellow"
    if not verdict.met:
        return "MISSED", "bold red"
    if not verdict.objectives and told.capacity is None:
        return "NO OBJECTIVES", "bold yellow"
    return "MET", "bold green"


def _objectives(objectives: list[record.Objective]) -> Table:
    table = Table(box=None)
    for column in ("", "objective", "measured"):
        table.add_column(column)
    for each in objectives:
        mark = Text("met", "green") if each.met else Text("MISSED", "red")
        table.add_row(mark, Text(each.objective), _told(each))
    return table


def _told(objective: record.Objective) -> str:
    value = objective.measured
    if value is None:
        return "nothing"
    if objective.unit == "s":
        return _ms(value)
    if objective.objective.endswith("%"):
        return f"{value:.2%}"
    return f"{value:,.6g}{'/s' if objective.unit == '1/s' else ''}"


def _figures(told: record.Record) -> Table:
    table = Table(box=None)
    for column in ("", "count", "p50", "p90", "p99", "p99.9", "max"):
        table.add_column(column, justify="left" if not column else "right")
    if (calls := told.realtime) is not None:
        parts = {
            "latency": calls.latency,
            "  queued": calls.queue,
            "  priced": calls.price,
            "  returned": calls.return_,
            "lateness": calls.lateness,
        }
        for name, times in parts.items():
            percentiles = (times.p50, times.p90, times.p99, times.p999, times.max)
            table.add_row(name, f"{times.count:,}", *map(_ms, percentiles))
        errors = ", ".join(f"{count:,} {name}" for name, count in calls.errors.items()) or "none"
        table.caption = (
            f"{calls.planned:,} calls planned, {calls.priced:,} priced, {calls.rate:,.1f}/s; "
            f"late {calls.late:,}, dropped {calls.dropped:,}, errors {errors}; lost {told.lost:,}"
        )
    if (bulk := told.bulk) is not None:
        rate = f"{bulk.rate:,.0f} trades/s" if bulk.rate is not None else "-"
        line = (
            f"jobs: {rate} over {bulk.seconds:.1f} s of the measurement; in all, warm-up included, "
            f"{bulk.priced:,} priced, {bulk.rejected:,} rejected, {bulk.dead:,} dead; "
            f"{bulk.cancelled:,} were stopped with the test, as is meant"
        )
        table.caption = f"{table.caption}\n{line}" if table.caption else line
    table.caption_justify = "left"
    return table


def _line(measured: Round) -> str:
    point, calls = measured.collector.latest, measured.collector.total
    words = [f"{_phase(measured)}, {_left(measured)}"]
    if measured.scenario.realtime is not None and point is not None:
        seconds = measured.scenario.interval
        words += [
            f"planned {planned_rate(measured.scenario, measured.now()):,.0f}/s",
            f"answered {point.priced / seconds:,.0f}/s",
            f"p50 {_ms(point.p50)} p99 {_ms(point.p99)}",
            f"errors {calls.errors.total():,}",
        ]
    if (rate := _bulk_rate(measured)) is not None:
        words.append(f"bulk {rate:,.0f}/s")
    return "; ".join(words)


def _picture(measured: Round, title: str) -> Group:
    scenario, calls, point = measured.scenario, measured.collector, measured.collector.latest
    head = Text.assemble((title, "bold"), f"  {_phase(measured)}, {_left(measured)}")
    table = Table.grid(padding=(0, 3))
    if scenario.realtime is not None:
        planned = planned_rate(scenario, measured.now())
        sent = point.sent / scenario.interval if point else 0.0
        answered = point.priced / scenario.interval if point else 0.0
        table.add_row(
            "calls", f"planned {planned:,.0f}/s", f"sent {sent:,.0f}/s", f"priced {answered:,.0f}/s"
        )
        now = (point.p50, point.p99) if point else (None, None)
        table.add_row("latency now", f"p50 {_ms(now[0])}", f"p99 {_ms(now[1])}")
        if len(calls.total.latency):
            p50, p99 = calls.total.latency.percentiles(50, 99)
            table.add_row("  of all", f"p50 {_ms(p50)}", f"p99 {_ms(p99)}")
        errors = calls.total.errors.total()
        style = "red" if errors else ""
        table.add_row("errors", Text(f"{errors:,}", style), f"late {calls.total.late:,}", "", "")
    if (rate := _bulk_rate(measured)) is not None:
        table.add_row("jobs", f"{rate:,.0f} trades/s")
    if calls.samples:
        sample, _ = calls.samples[max(calls.samples)]
        backlog = ", ".join(f"{lane} {sample.backlog.get(lane, 0):,}" for lane in Lane)
        table.add_row("backlog", backlog, f"pending {sample.pending:,}")
        cpu = "-" if sample.redis_cpu is None else f"{sample.redis_cpu:.2f}"
        table.add_row("grid", plural(sample.consumers, "consumer"), f"Redis CPU {cpu}")
    struck = [Text(f"fault  {each.what}", "yellow") for each in measured.strikes.struck]
    return Group(head, table, *struck[-STRIKES_SHOWN:])


def _phase(measured: Round) -> str:
    now = measured.now()
    if now < 0:
        return WARM_UP
    for phase in measured.scenario.phases:
        if now < phase.seconds:
            return phase.title
        now -= phase.seconds
    return "last answers"


def _left(measured: Round) -> str:
    left = max(measured.scenario.measured - max(measured.now(), 0.0), 0.0)
    return f"{left:,.0f} s left"


def _bulk_rate(measured: Round) -> float | None:
    samples = measured.collector.samples
    if measured.scenario.bulk is None or len(samples) < 2:
        return None
    *_, before, last = sorted(samples)[-5:]
    seconds = (last - before) * measured.scenario.interval
    return (samples[last][1] - samples[before][1]) / seconds


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
