"""How jobs look to a person: tables, and the bar while one waits.

Only command modules import this.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.table import Table

from engine.edge import note, progress, stderr
from engine.job import Job, Progress, State
from engine.outcome import Counts
from engine.roster import wanted
from producer.outlook import NO_CONSUMER, Outlook
from producer.wait import Look

OVERVIEW = ("job", "state", "algorithm", "trades", "done", "failed", "seconds")
"""The columns of the list of jobs; the first three are words. With a made-up name and ten million
trades they take 80 columns of a terminal."""

_ELSEWHERE = ("job", "by", "expected")
"""Of a report: what the summary tells in its own words."""

LONELY_LOOKS = 3
"""Looks without a living consumer after which one says so: one may just be starting."""


def summary(seen: Progress, ahead: Outlook | None = None) -> Table:
    """The summary of one job; ``ahead`` is known of one that has not ended."""
    table = Table(title=f"job {seen.job.name}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, words in {"algorithm": seen.job.algorithm, **terms(seen.job)}.items():
        table.add_row(name, words)
    for name, value in seen.report().items():
        if name in _ELSEWHERE or (value == 0 and name in ("dead", "expired", "cancelled")):
            continue
        table.add_row(name.replace("_", " "), _shown(value))
    if ahead is not None:
        table.add_row("consumers", _shown(ahead.serving))
    if ahead is not None and ahead.rate is not None:
        table.add_row("their rate now", f"{ahead.rate:,.1f}/s")
    if words := _times(seen, ahead.expected_at if ahead is not None else None):
        table.add_row("time", words)
    return table


def _times(seen: Progress, at: float | None) -> str:
    """By when it is to be done and, ``at``, when it will be, on this machine's clock."""
    by, end = seen.job.by, seen.settled_at
    words = [f"done at {clock(at, seen.now)}"] if at is not None else []
    if by is not None:
        words.append(f"due at {clock(by, seen.now)}")
        late = (at or (end if seen.ended else seen.now)) - by
        words += [f"{math.ceil(late / 60):,} min late"] if late > 0 else []
    return ", ".join(words)


def clock(moment: float, now: float) -> str:
    """A Unix time as this machine's clock shows it, with its zone, and the day if another."""
    try:
        at, today = datetime.fromtimestamp(moment).astimezone(), datetime.fromtimestamp(now)
    except (ValueError, OverflowError, OSError):
        return "a time that no calendar has"
    return f"{at:%H:%M %Z}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M %Z}"


def terms(job: Job) -> dict[str, str]:
    """What a job asks of its pricer, in words: only what it asks."""
    asked: dict[str, str] = {}
    if job.accuracy is not None:
        asked["accuracy"] = f"{job.accuracy:g}"
    if job.paths is not None:
        asked["paths"] = f"{'at most ' if job.accuracy is not None else ''}{job.paths:,}"
    if job.trade_timeout is not None:
        asked["trade timeout"] = f"{job.trade_timeout:g} s"
    for name, value in job.options.items():
        asked[name.replace("_", " ")] = str(value).replace("_", " ")
    return asked


def overview(jobs: Sequence[Progress]) -> Table:
    """One line for each job."""
    rows = [
        [
            *(seen.job.name, str(seen.state), seen.job.algorithm),
            *(_shown(seen.counts.submitted), share(seen.counts)),
            *(_shown(seen.counts.failed), _shown(round(seen.seconds, 1))),
        ]
        for seen in jobs
    ]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at, name in enumerate(OVERVIEW):
        # Nothing is cut short: a name is there to be copied.
        width = max(len(name), *(len(row[at]) for row in rows))
        table.add_column(name, min_width=width, no_wrap=True, justify="right" if at > 2 else "left")
    for row in rows:
        table.add_row(*row)
    return table


def share(counts: Counts) -> str:
    """How much of a job has ended; 100% is all of it, nothing is rounded up to that."""
    return f"{100 * counts.ended // counts.submitted}%" if counts.submitted > 0 else "-"


@contextmanager
def watching(job: Job, total: int | None) -> Iterator[Callable[[Look], None]]:
    """Show how far a job is while the body runs; yields what is to be told of each look.

    ``total`` is the trades of the job, None if that is not yet known. Shows nothing where standard
    error is no terminal.
    """
    shown, lonely, stalled = 0, 0, False
    told: set[str] = set()
    with progress(job.name, total) as advance:

        def look(seen: Look) -> None:
            nonlocal shown, lonely, stalled
            counts = seen.progress.counts
            advance(counts.ended - shown)
            shown = counts.ended
            if not stderr.is_terminal or seen.progress.ended:
                return
            if seen.progress.state is State.WAITING and State.WAITING not in told:
                told.add(State.WAITING)
                note(f"job {job.name} {seen.progress.reason}")
            lonely = 0 if seen.consumers else lonely + 1
            if lonely == LONELY_LOOKS:
                note(NO_CONSUMER)
            for each in seen.consumers:
                why = each.lacking.get(wanted(job.algorithm, job.pricer_version))
                if why is not None and each.name not in told:
                    told.add(each.name)
                    note(f"consumer {each.name} leaves this job to others: {why}")
            if seen.progress.state is not State.SUBMITTING or counts.in_flight:
                stalled = False
            elif not stalled:
                stalled = True
                note(
                    "what was queued has ended, but not all trades are queued: unless somebody is "
                    f"at it, `azfinsim job resume {job.name}` goes on"
                )

        yield look


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
