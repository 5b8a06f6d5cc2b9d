"""A grid in simulated time: nodes that start slowly and are evicted, jobs that queue, and a bill.

Work flows: a job's trades are a quantity that slots use up, at most one slot for each entry left.
What is random follows from a seed. Nodes are billed by the second from when they are asked for
until they are let go, as Azure does.
"""

import math
import random
from dataclasses import dataclass, field
from typing import Protocol

from infra.controller.loads import Load, LoadJob
from infra.controller.model import HOUR, Demand, Observation

TICK = 30.0
"""Seconds between looks of the scalers: what Batch samples at, and what KEDA polls at."""

STEP = 5.0
"""Seconds in which work flows at one rate, at most."""


class Scaler(Protocol):
    """Who says how many nodes there should be."""

    name: str

    def wanted(self, seen: Observation) -> int:
        """The nodes that there should be from now; called each ``TICK``."""


@dataclass(slots=True)
class Node:
    """A machine with one consumer."""

    asked: float
    ready: float
    evicted: float


@dataclass(slots=True)
class Run:
    """A job on its way."""

    job: LoadJob
    left: float
    """Trades."""
    lost: float = 0.0
    """Trades to be priced again, because a node was lost with them."""
    ended: float | None = None

    def uses(self, free: float) -> float:
        """How many of the free slots it has entries for.

        When the last entries are at work, as far on as chance has it, they end one after the other:
        then what is left falls with the square of those at work.
        """
        peak = min(free, self.job.trades / self.job.chunk)
        left = self.left + self.lost
        return min(peak, max(math.sqrt(2 * left * peak / self.job.chunk), 1.0))

    @property
    def cost(self) -> float:
        return self.job.cost_at(1 - self.left / self.job.trades)


@dataclass(frozen=True, slots=True)
class Bill:
    """What came of a load under a scaler."""

    load: str
    scaler: str
    cost: float
    """Euros."""
    late_jobs: int
    lateness: float
    """Seconds, of the job that was latest."""
    mean_nodes: float
    most_nodes: int
    evictions: int
    last: float
    """When the last job was done, seconds after the begin of the load."""


@dataclass(slots=True)
class Simulation:
    """One load under one scaler."""

    load: Load
    scaler: Scaler
    slots: int = 8
    """Of each node."""
    ceiling: int = 40
    price: float = 0.40
    """Euros a node hour."""
    seed: int = 1
    now: float = 0.0
    nodes: list[Node] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    node_seconds: float = 0.0
    evictions: int = 0
    most: int = 0
    _chance: random.Random = field(default_factory=random.Random)

    def run(self) -> Bill:
        """Let the load pass, until all is done and the nodes are gone, or its time is over."""
        self._chance = random.Random(f"{self.load.name} {self.seed}")
        coming = list(self.load.jobs)
        while self.now < self.load.seconds or coming or any(r.ended is None for r in self.runs):
            while coming and coming[0].at <= self.now:
                job = coming.pop(0)
                self.runs.append(Run(job, job.trades))
            self._scale()
            end = self.now + TICK
            while self.now < end:
                self._pass(min(STEP, end - self.now))
        return self._bill()

    @property
    def serving(self) -> int:
        return sum(node.ready <= self.now for node in self.nodes)

    def observation(self) -> Observation:
        """What a scaler sees."""
        demands = [
            Demand(
                run.job.job,
                run.job.kind,
                left=_up(run.left + run.lost),
                ended=run.job.trades - _up(run.left + run.lost),
                chunk=run.job.chunk,
                due=run.job.by,
                since=run.job.at,
            )
            for run in self.runs
            if run.ended is None or run.ended > self.now - 2 * TICK
        ]
        serving = self.serving
        return Observation(
            self.now,
            demands,
            living=serving,
            slots=serving * self.slots,
            starting=len(self.nodes) - serving,
        )

    def _scale(self) -> None:
        wanted = max(min(self.scaler.wanted(self.observation()), self.ceiling), 0)
        while len(self.nodes) < wanted:
            ready = self.now + self._chance.uniform(*self.load.startup)
            life = self._chance.expovariate(self.load.evictions / HOUR or 1e-12)
            self.nodes.append(Node(self.now, ready, self.now + life))
        # Those that do not serve yet go first: nothing is lost with them, nor with the others,
        # which finish what they are at and hand back the rest.
        self.nodes.sort(key=lambda node: node.ready)
        del self.nodes[wanted:]
        self.most = max(self.most, wanted)

    def _pass(self, seconds: float) -> None:
        for node in [node for node in self.nodes if node.evicted <= self.now]:
            self.nodes.remove(node)
            self._lose(node)
        self._work(seconds)
        self.node_seconds += len(self.nodes) * seconds
        self.now += seconds

    def _lose(self, node: Node) -> None:
        self.evictions += 1
        going = [run for run in self.runs if run.ended is None]
        if going and node.ready <= self.now:
            # Half of an entry for each slot, on average.
            done = going[0].job.trades - going[0].left
            going[0].lost += min(self.slots * going[0].job.chunk / 2, done)

    def _work(self, seconds: float) -> None:
        free = float(self.serving * self.slots)
        for run in self.runs:
            if run.ended is not None or free <= 0:
                continue
            used = run.uses(free)
            free -= used
            noise = self._chance.lognormvariate(0.0, 0.1)
            trades = used * seconds / (run.cost * noise)
            again = min(run.lost, trades)
            run.lost -= again
            run.left = max(run.left - (trades - again), 0.0)
            if run.left + run.lost < 1e-6:
                run.ended = self.now + seconds

    def _bill(self) -> Bill:
        late = [
            max((run.ended or self.now) - run.job.by, 0.0)
            for run in self.runs
            if run.job.by is not None
        ]
        return Bill(
            self.load.name,
            self.scaler.name,
            cost=self.node_seconds / HOUR * self.price,
            late_jobs=sum(each > 0 for each in late),
            lateness=max(late, default=0.0),
            mean_nodes=self.node_seconds / self.now,
            most_nodes=self.most,
            evictions=self.evictions,
            last=max((run.ended or self.now for run in self.runs), default=0.0),
        )


def _up(trades: float) -> int:
    """Whole trades; what is left of one is not done."""
    return int(-(-trades // 1))
