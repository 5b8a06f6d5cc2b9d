"""How a grid at work looks in a terminal. Pure."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from azfinsim.top.sample import Pace, Sample, Seen
from engine.count import plural
from engine.job import Progress
from producer.job_views import clock, share

UNKNOWN = "-"

HEADS = 11
"""Lines that are not rows of jobs or consumers: the server, lanes, heads and blanks."""

SILENT = 6.0
"""Seconds without a word after which a consumer is in doubt: it speaks every 2.5."""

_WORDS = frozenset({"lane", "job", "state", "consumer", "host", "lanes", "doing"})
"""Columns of text; the others hold numbers."""

_LONG = frozenset({"job", "consumer", "host", "lanes"})
"""Columns that are cut short where a terminal is narrow."""


def picture(
    sample: Sample, pace: Pace, address: str, height: int | None = None, word: Text | None = None
) -> RenderableType:
    """All that is known, in at most ``height`` lines; None for as many as it takes.

    ``word`` is told above it all, where no terminal is too low for it.
    """
    notes = [*_dead(sample), *(Text(each, "red") for each in sample.unreadable)]
    jobs, consumers = len(sample.jobs), len(sample.consumers)
    if height is not None:
        jobs, consumers = shares(height - HEADS - len(notes), jobs, consumers)
    parts: list[RenderableType] = [
        *_head(sample, address, word),
        _lanes(sample, pace),
        Text(),
        *_cut(_jobs(sample, jobs, pace), "jobs", len(sample.jobs) - jobs),
        Text(),
        *_cut(
            _consumers(sample.consumers[:consumers]),
            "consumers",
            len(sample.consumers) - consumers,
        ),
        *notes,
    ]
    return Group(*parts)


def shares(lines: int, jobs: int, consumers: int) -> tuple[int, int]:
    """How many jobs and consumers there is room for; what one does not need the other gets.

    Where some are left out, a line says how many.
    """
    lines = max(lines, 4)
    if jobs + consumers <= lines:
        return jobs, consumers
    for_jobs = max(lines - consumers, lines // 2)
    if jobs > for_jobs:
        return for_jobs - 1, _fitting(consumers, lines - for_jobs)
    return jobs, _fitting(consumers, lines - jobs)


def _fitting(count: int, lines: int) -> int:
    return count if count <= lines else lines - 1


def _cut(table: Table, what: str, left_out: int) -> list[RenderableType]:
    return [table, Text(f"… and {left_out:,} more {what}", "dim")] if left_out else [table]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for at, name in enumerate(columns):
        cells = [str(row[at]) for row in rows]
        table.add_column(
            name,
            justify="left" if name in _WORDS else "right",
            # Numbers are not cut short as long as names can be, which have no blanks to wrap at.
            no_wrap=name not in _LONG,
            overflow="ellipsis",
            min_width=len(name) if name in _LONG else max(map(len, (name, *cells))),
        )
    for row in rows or [[Text("none", "dim")]]:
        table.add_row(*row)
    return table


def _head(sample: Sample, address: str, word: Text | None) -> list[RenderableType]:
    time = f"{datetime.fromtimestamp(sample.at):%H:%M:%S}"
    partitions = plural(sample.partitions, "partition")
    lines = [Text(f"{time}  {address}  {partitions}", "bold")]
    if (server := sample.server) is None:
        lines.append(Text("this user may not ask the server of itself", "dim"))
    else:
        of = f" of {_bytes(server.memory_limit)}" if server.memory_limit else ""
        nodes = f" ({server.nodes} nodes)" if server.nodes > 1 else ""
        told = f"{server.version}{nodes}  memory {_bytes(server.memory)}{of}"
        told += f"  {plural(server.clients, 'client')}  {server.commands_per_second:,} commands/s"
        lines.append(Text(told))
    lines.append(word or Text())
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return [*lines]


def _lanes(sample: Sample, pace: Pace) -> Table:
    rows = [
        [
            *(str(lane), f"{queue.waiting:,}", f"{queue.in_flight:,}"),
            _rate(pace.lanes.get(lane)),
            _duration(queue.oldest) if queue.waiting + queue.in_flight else UNKNOWN,
        ]
        for lane, queue in sample.queues.items()
    ]
    return _table(("lane", "entries waiting", "in flight", "rate", "oldest"), rows)


def _jobs(sample: Sample, shown: int, pace: Pace) -> Table:
    rows = [_job(seen, sample.expected_at(seen), pace) for seen in sample.jobs[:shown]]
    return _table(("job", "state", "trades", "done", "failed", "rate", "left", "due"), rows)


def _job(seen: Progress, at: float | None, pace: Pace) -> list[str | Text]:
    counts, by = seen.counts, seen.job.by
    late = by is not None and (at or seen.now) > by and not seen.ended
    return [
        *(seen.job.name, str(seen.state), f"{counts.submitted:,}", share(counts)),
        Text(f"{counts.failed:,}", "red" if counts.failed else ""),
        UNKNOWN if seen.ended else _rate(pace.jobs.get(seen.job.name)),
        _duration(at - seen.now) if at is not None else UNKNOWN,
        Text(clock(by, seen.now) if by is not None else UNKNOWN, "red" if late else ""),
    ]


def _consumers(consumers: Sequence[Seen]) -> Table:
    columns = ("consumer", "host", "lanes", "busy", "rate", "memory", "seen", "doing")
    return _table(columns, [_consumer(each) for each in consumers])


def _consumer(each: Seen) -> list[str | Text]:
    one, silent = each.presence, each.silent
    busy = UNKNOWN if one.busy is None else str(one.busy)
    doubtful = silent is not None and silent > SILENT
    return [
        *(one.name, one.host or UNKNOWN, ",".join(one.lanes), f"{busy}/{one.slots}"),
        _rate(one.rate),
        UNKNOWN if one.memory is None else _bytes(one.memory),
        Text(UNKNOWN if silent is None else f"{silent:.0f} s", "red" if doubtful else ""),
        Text("draining", "yellow") if one.draining else Text("serving"),
    ]


def _dead(sample: Sample) -> list[Text]:
    if not sample.letters:
        return []
    count, jobs = sum(sample.letters.values()), len(sample.letters)
    told = f"{plural(count, 'dead letter')} of {plural(jobs, 'job')}: `azfinsim dead list"
    told += f" --job {next(iter(sample.letters))}`" if jobs == 1 else "`"
    return [Text(told, "red")]


def _rate(rate: float | None) -> str:
    if rate is None:
        return UNKNOWN
    return f"{rate:,.1f}/s" if 0 < rate < 10 else f"{rate:,.0f}/s"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
