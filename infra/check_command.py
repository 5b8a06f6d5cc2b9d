"""``azfinsim infra check``: what is wrong with a Redis server."""

from dataclasses import asdict

import click

from engine.connection import Address
from engine.edge import DONE, SHORT, Count, json_option, note, print_json, redis_option, run_async
from infra.acl import Role
from infra.check import Finding, Severity, bytes_needed, judge
from infra.facts import Facts, gather


@click.command
@click.option("--trades", type=Count(), metavar="N", help="A book that is to fit in besides.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([str(role) for role in Role]),
    multiple=True,
    default=[str(role) for role in Role],
    show_default=False,
    help="What the user of the Redis URL is to be; may be repeated.  [default: all]",
)
@redis_option
@json_option
def check(trades: int | None, roles: tuple[str, ...], address: Address, as_json: bool) -> int:
    """Look at a Redis server and say what is wrong with it.

    Nothing on it is changed. Exit code 1 if there is more to say than notes.
    """
    facts = run_async(gather, address, [Role(role) for role in roles])
    findings = judge(facts, trades)
    good = all(finding.severity is Severity.NOTE for finding in findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        print_json(
            {"server": str(address), "good": good, **_seen(facts, trades), "findings": found}
        )
    else:
        _tell(address, facts, findings)
    return DONE if good else SHORT


def _seen(facts: Facts, trades: int | None) -> dict[str, object]:
    nodes = [
        {
            "node": name,
            "version": info.get("valkey_version") or info.get("redis_version"),
            "used_memory": info.get("used_memory"),
            "maxmemory": info.get("maxmemory"),
        }
        for name, info in facts.nodes.items()
    ]
    need = {} if trades is None else {"trades": trades, "bytes_needed": bytes_needed(trades)}
    return {"nodes": nodes, "partitions": facts.partitions, "books": facts.books, **need}


def _tell(address: Address, facts: Facts, findings: list[Finding]) -> None:
    for name, info in facts.nodes.items():
        kind = "Valkey" if info.get("valkey_version") else "Redis"
        version = info.get("valkey_version") or info.get("redis_version")
        used = int(info.get("used_memory", 0)) / 1e6
        note(f"{address}: {name} is {kind} {version}, {used:,.0f} MB used")
    for book, trades in (facts.books or {}).items():
        note(f"book {book}: {trades:,} trades")
    for finding in findings:
        note(f"\n{finding.severity}: {finding.what}")
        note(f"  why it matters: {finding.why}")
        note(f"  way out: {finding.way_out}")
    if not findings:
        note("nothing is wrong")
