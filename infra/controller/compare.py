"""What scalers cost, and whether they are in time, on the recorded loads: a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from infra.controller import loads
from infra.controller.loads import Load
from infra.controller.model import Policy
from infra.controller.rivals import Lag, Older, Ours, Static
from infra.controller.simulation import Bill, Scaler, Simulation

SEEDS = range(1, 6)
"""Each load is met so many times, with other start-ups and evictions each time."""

CEILING, SLOTS, PRICE = 40, 8, 0.14
"""Nodes; cores of each; US dollars an hour for each, as docs/azure.md assumes for 8 Spot cores."""

DEFAULT_LAG, LARGE_LAG = 5, 100
"""Entries a node: KEDA's default for Redis Streams, and one that suits these loads better."""


@dataclass(frozen=True, slots=True)
class Row:
    """One scaler on one load, over all seeds."""

    load: str
    scaler: str
    cost: float
    late_jobs: int
    """Over all seeds."""
    lateness: float
    """Seconds, of the latest job of all seeds."""
    mean_nodes: float
    most_nodes: int
    evictions: int
    """That were survived, over all seeds."""
    done: float
    """Seconds from the begin of the load until its last job was done."""


def scalers() -> list[Scaler]:
    """Those to be compared, without memory."""
    return [
        Ours(Policy(ceiling=CEILING, slots=SLOTS, price=PRICE)),
        Older(CEILING),
        Lag(CEILING, DEFAULT_LAG),
        Lag(CEILING, LARGE_LAG),
        Static(CEILING),
    ]


def rows(load: Load, seeds: Sequence[int] = SEEDS) -> Iterator[Row]:
    """A row for each scaler."""
    for number in range(len(scalers())):
        bills = [
            Simulation(load, scalers()[number], SLOTS, CEILING, PRICE, seed).run() for seed in seeds
        ]
        yield _row(bills)


def _row(bills: Sequence[Bill]) -> Row:
    return Row(
        bills[0].load,
        bills[0].scaler,
        fmean(bill.cost for bill in bills),
        sum(bill.late_jobs for bill in bills),
        max(bill.lateness for bill in bills),
        fmean(bill.mean_nodes for bill in bills),
        max(bill.most_nodes for bill in bills),
        sum(bill.evictions for bill in bills),
        fmean(bill.last for bill in bills),
    )


def all_rows() -> list[Row]:
    """Those of all loads that are shipped."""
    return [row for name in loads.names() for row in rows(loads.read(name))]


def table(those: Sequence[Row]) -> str:
    """Rows as Markdown."""
    head = "| load | scaler | USD | late jobs | by | mean nodes | most | evictions | all done |"
    lines = [head, "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for row in those:
        late = f"{row.lateness / 60:.0f} min" if row.late_jobs else ""
        lines.append(
            f"| {row.load} | {row.scaler} | {row.cost:.2f} | {row.late_jobs} | {late} | "
            f"{row.mean_nodes:.1f} | {row.most_nodes} | {row.evictions} | "
            f"{row.done / 3600:.1f} h |"
        )
    return "\n".join(lines) + "\n"
