"""Looks at a grid, at a cost to its server that does not depend on how many trades there are.

A look asks for each lane and partition, each consumer, each job that has not ended, and of those
that have ended for the latest few. Nothing is scanned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from azfinsim.top.sample import Queue, Sample, Seen, Server, order
from engine.connection import denied, node_infos
from engine.errors import AzfinsimError
from engine.grid import Grid
from engine.job import Lane, Progress
from engine.survey import survey

MOST_JOBS = 1000
"""The latest jobs alone are looked at: a job older than so many others has ended, or should."""

ENDED_SHOWN = 20
"""Jobs that have ended and are still told of, the latest."""

AGAIN = 60.0
"""Seconds after which an older job that has ended is looked at again: it may have been resumed."""


@dataclass(slots=True)
class Lookout:
    """Looks at one grid again and again, at what has ended less often."""

    grid: Grid
    _ended: dict[str, tuple[float, Progress]] = field(default_factory=dict)
    """When to look again at jobs that have ended, by name, and how they have."""

    async def look(self) -> Sample:
        """See how things stand; raises what redis-py raises if the server is away or refuses."""
        grid = self.grid
        now = await grid.jobs.now()
        queues = await self._queues()
        jobs, over, unreadable = await self._jobs(now)
        dead = [seen.job.name for seen in jobs if seen.counts.dead]
        letters = dict(zip(dead, await grid.letters.counts(dead), strict=True)) if dead else {}
        living = await grid.roster.living()
        silences = await grid.roster.silences([each.name for each in living])
        return Sample(
            at=now,
            partitions=grid.partitions,
            queues=queues,
            calls=await grid.calls.queued_ever(),
            jobs=jobs,
            letters={name: count for name, count in letters.items() if count},
            consumers=[Seen(each, s) for each, s in zip(living, silences, strict=True)],
            server=await self._server(),
            unreadable=unreadable,
            over=over,
        )

    async def _queues(self) -> dict[Lane, Queue]:
        streams, lanes = self.grid.streams, list(Lane)
        pending = await streams.pending(lanes)
        backlog, oldest = await streams.backlog(lanes), await streams.oldest(lanes)
        return {
            # Some may have ended between both looks.
            lane: Queue(max(backlog[lane] - pending[lane], 0), pending[lane], max(oldest[lane], 0))
            for lane in lanes
        }

    async def _jobs(self, now: float) -> tuple[list[Progress], list[Progress], list[str]]:
        names = await self.grid.jobs.latest(MOST_JOBS)
        self._ended = {name: seen for name, seen in self._ended.items() if seen[0] > now}
        shown = set(names[:ENDED_SHOWN])
        found = await survey(
            self.grid.jobs, [name for name in names if name in shown or name not in self._ended]
        )
        jobs = [seen for seen in found.values() if isinstance(seen, Progress)]
        for seen in jobs:
            if seen.ended:
                self._ended.setdefault(seen.job.name, (now + AGAIN, seen))
        kept = [seen for seen in jobs if not seen.ended or seen.job.name in shown]
        over = [seen for name, (_, seen) in self._ended.items() if name not in shown]
        return order(kept), over, [str(e) for e in found.values() if isinstance(e, AzfinsimError)]

    async def _server(self) -> Server | None:
        try:
            return summed(list((await node_infos(self.grid.redis)).values()))
        except ResponseError as error:
            if not denied(error):
                raise
            return None


def summed(nodes: Sequence[Mapping[str, Any]]) -> Server:
    """What INFO tells of the nodes of a server, together."""
    first = nodes[0]
    kind = "Valkey" if "valkey_version" in first else "Redis"
    limits = [int(node.get("maxmemory", 0)) for node in nodes]
    return Server(
        f"{kind} {first.get('valkey_version') or first['redis_version']}",
        len(nodes),
        sum(int(node["used_memory"]) for node in nodes),
        sum(limits) if all(limits) else None,
        sum(int(node["connected_clients"]) for node in nodes),
        sum(int(node["instantaneous_ops_per_sec"]) for node in nodes),
    )
