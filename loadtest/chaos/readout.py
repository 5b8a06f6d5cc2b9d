"""Reads from a server, and from this machine, what the audit looks at."""

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from redis.exceptions import ResponseError

from engine import keys
from engine.calls import REPLIES_KEPT
from engine.connection import text
from engine.grid import Grid
from engine.job import Lane
from loadtest.chaos.audit import JobSeen, KeySeen, StreamSeen
from loadtest.chaos.seats import MARK
from loadtest.chaos.work import Order
from producer.results import results

PAGE = 1000


async def read_job(grid: Grid, order: Order) -> JobSeen:
    """A job with all its records."""
    given = await grid.jobs.manifest(order.job)
    pages = results(grid, order.job, given, cancelled=order.cancelled)
    # As it is stored: with its times.
    job = await grid.jobs.get(order.job.name) or order.job
    return JobSeen(
        await grid.jobs.progress(job),
        order.trades,
        [trade for ids in given.values() for trade in ids.tolist()],
        [record async for page in pages for record in page],
        order.poison,
    )


async def read_keys(grid: Grid) -> list[KeySeen]:
    """All keys of the grid; forgets consumers that are gone, as whoever looks does."""
    await grid.roster.living()
    found = [text(key) async for key in grid.redis.scan_iter(match="az:*", count=PAGE)]
    return [KeySeen(key, int(await grid.redis.pttl(key))) for key in sorted(set(found))]


async def read_streams(grid: Grid) -> list[StreamSeen]:
    """All streams that should be empty."""
    seen = []
    for partition in range(grid.partitions):
        for key in (*(keys.stream(partition, ln) for ln in Lane), keys.unreadable(partition)):
            pending = 0
            with suppress(ResponseError):  # No such stream, or one without a group.
                pending = int((await grid.redis.xpending(key, keys.GROUP))["pending"])
            seen.append(StreamSeen(key, int(await grid.redis.xlen(key)), pending))
    return seen


async def doubled_replies(grid: Grid) -> list[str]:
    """Realtime calls to which more than one reply lies in the streams of clients that are there."""
    doubled: list[str] = []
    for partition in range(grid.partitions):
        async for key in grid.redis.scan_iter(match=keys.replies(partition, "*"), count=PAGE):
            client = text(key).rpartition(":")[2]
            _, found = await grid.calls.replies(partition, client, "0", None, REPLIES_KEPT)
            counts = Counter(reply.call for reply in found)
            doubled += [f"{client} {call}" for call, count in counts.items() if count > 1]
    return doubled


def resident_bytes(pid: int) -> int | None:
    """What a process has in memory now; None if it is gone, or where there is no /proc."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return None


async def names_in_groups(grid: Grid) -> int:
    """How many consumers the groups know, the dead included."""
    count = 0
    for partition in range(grid.partitions):
        for lane in Lane:
            with suppress(ResponseError):
                stream = keys.stream(partition, lane)
                count += len(await grid.redis.xinfo_consumers(stream, keys.GROUP))
    return count


def crew_of_run(mark: str) -> dict[str, frozenset[int]]:
    """The consumers that a run's controllers have started: by name, the processes that are it.

    Not what these have forked, such as their slots. None where there is no /proc.
    """
    told, found = f"{MARK}={mark}".encode(), dict[int, str]()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environ = (folder / "environ").read_bytes().split(b"\0")
            crew = [text(each) for each in environ if each.startswith(b"AZFINSIM_CREW=")]
            if told in environ and crew:
                found[int(folder.name)] = crew[0].partition("=")[2]
    members: dict[str, set[int]] = {}
    for pid, name in found.items():
        with suppress(OSError):
            # Behind the command's name, which is in brackets: state, then the parent.
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
            if int(stat.split()[1]) not in found:
                members.setdefault(name, set()).add(pid)
    return {name: frozenset(pids) for name, pids in members.items()}


def processes_of(mark: str) -> list[str]:
    """The processes of a run that still live, as ``PID command``; none where there is no /proc."""
    told = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(folder.name) != os.getpid() and told in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{folder.name} {text(words).strip()}")
    return found
