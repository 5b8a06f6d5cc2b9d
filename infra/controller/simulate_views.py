"""How ``azfinsim pool simulate`` looks to a person."""

from collections.abc import Sequence

from rich.table import Table

from engine.edge import note, stderr
from infra.controller.compare import CEILING, PRICE, SEEDS, SLOTS, Row
from infra.controller.loads import Load
from infra.controller.rivals import WINDOW

LEGEND = (
    f"{len(SEEDS)} runs with other chance, of at most {CEILING} nodes of {SLOTS} slots at "
    f"{PRICE:g} USD an hour: USD and nodes are means, late jobs and lost nodes are of all runs; "
    "hours until the last job was done.\n"
    f"older formula: the older azfinsim's, a node for each {WINDOW} trades left. lag: a node for "
    "so many entries left, as KEDA does. always the ceiling: a static pool. More: "
    "docs/controller.md"
)


def show(load: Load, rows: Sequence[Row]) -> None:
    """Show how scalers did on a load, on standard error."""
    table = Table(title=f"{load.name}: {load.about}", title_justify="left", box=None)
    table.add_column("scaler", no_wrap=True)
    for column in ("USD", "late jobs", "late by", "nodes", "most", "lost", "hours"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.scaler,
            f"{row.cost:,.2f}",
            f"{row.late_jobs:,}",
            f"{row.lateness / 60:,.0f} min" if row.late_jobs else "",
            f"{row.mean_nodes:.1f}",
            f"{row.most_nodes:,}",
            f"{row.evictions:,}",
            f"{row.done / 3600:.1f}",
        )
    stderr.print(table)


def explain() -> None:
    """Say what the columns and scalers are."""
    note(LEGEND)
