"""How ``azfinsim pool status`` looks to a person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from engine.count import plural
from engine.edge import note, stderr

_COUNTS = ("queued", "running", "leaving", "completed", "failed", "requeued")


def show(report: Mapping[str, Any], where: str = "") -> None:
    """Show it on standard error; ``where`` are the options by which a crew would be found there."""
    for pool in report.get("pools", ()):
        _pool(pool)
    _crews(report["crews"], where)
    if report["consumers"] is None:
        note(f"the server is not reached, so its consumers are not shown: {report['grid_error']}")
    else:
        _consumers(report["server"], report["consumers"])


def _pool(pool: Mapping[str, Any]) -> None:
    size = "by formula" if pool["autoscale"] else "fixed"
    told = [f"{pool['target_dedicated']} dedicated"]
    if pool["target_spot"] or pool["spot"]:
        told.append(f"{pool['target_spot']} Spot")
    nodes = [
        f"{count} {kind} {state}"
        for kind, counts in (("dedicated", pool["dedicated"]), ("Spot", pool["spot"]))
        for state, count in counts.items()
    ]
    note(
        f"pool {pool['id']} ({size}, {pool['allocation']}): wants {' and '.join(told)} nodes, has "
        f"{', '.join(nodes) or 'none'}"
    )
    for error in pool["errors"]:
        note(f"  {error}")


def _crews(crews: Sequence[Mapping[str, Any]], where: str) -> None:
    if not crews:
        note(f"no crews: start one with `azfinsim pool up --consumers 2{where}`")
    for crew in crews:
        where = f"job {crew['job']}, {crew['state']}" if "job" in crew else f"logs {crew['logs']}"
        counts = [f"{crew[name]:,} {name}" for name in _COUNTS if crew[name]]
        note(f"crew {crew['crew']} ({where}): {', '.join(counts) or 'nobody'}")
        for why, count in crew.get("failures", {}).items():
            note(f"  {count:,} ended by {why}")


def _consumers(server: str, consumers: Sequence[Mapping[str, Any]]) -> None:
    """Those of one crew and lane in one line: there may be thousands."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for each in consumers:
        groups[each["crew"].partition("/")[0], ",".join(each["lanes"])].append(each)
    note(f"grid {server}: {plural(len(consumers), 'consumer')}")
    if not groups:
        return
    table = Table("crew", "lanes")
    for column in ("consumers", "draining", "slots", "priced so far"):
        table.add_column(column, justify="right")
    for (crew, lanes), members in sorted(groups.items()):
        draining = sum(each["draining"] for each in members)
        slots, priced = (sum(each[name] for each in members) for name in ("slots", "priced"))
        table.add_row(
            crew or "(none)", lanes, f"{len(members):,}", f"{draining:,}", f"{slots:,}",
            f"{priced:,}",
        )  # fmt: skip
    stderr.print(table)
