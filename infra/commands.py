"""``azfinsim infra``: what concerns the servers and machines that a grid runs on."""

from dataclasses import asdict
from pathlib import Path

import click

from engine.connection import Address
from engine.edge import DONE, SHORT, json_option, note, print_json, redis_option, run_async
from engine.errors import UsageError
from engine.login import Login
from engine.names import check_name
from infra import acl
from infra.acl import Role
from infra.check import Finding, Severity, bytes_needed, judge
from infra.facts import Facts, gather

_ROLE = click.Choice([str(role) for role in Role])


@click.group
def infra() -> None:
    """Look after what a grid runs on."""


@infra.command
@click.option(
    "--trades", type=click.IntRange(1), metavar="N", help="A book that is to fit in besides."
)
@click.option(
    "--role",
    "roles",
    type=_ROLE,
    multiple=True,
    default=[str(role) for role in Role],
    show_default="all",
    help="What the user of the Redis URL is to be; may be repeated.",
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


@infra.command("acl")
@click.argument("role", type=_ROLE, required=False)
@click.option("--user", metavar="NAME", help="The user's name.  [default: the role's]")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its password, of which only the SHA-256 is printed.",
)
@click.option("--cluster", is_flag=True, help="With what a cluster takes besides.")
@click.option("--aclfile", is_flag=True, help="Lines for the server's aclfile instead.")
def acl_command(
    role: str | None, user: str | None, password_file: Path | None, cluster: bool, aclfile: bool
) -> None:
    """Print users with the least rights that a consumer and a producer need.

    As commands for `redis-cli`: azfinsim infra acl | redis-cli. Without --password-file nobody can
    log in as them until a password is added: ACL SETUSER consumer >PASSWORD.
    """
    if user is not None:
        check_name("user", user)
        if role is None:
            raise UsageError("--user names one user: say which role it has, consumer or producer")
    password = Login(password_file=password_file).read() if password_file is not None else None
    form = acl.acl_file_line if aclfile else acl.setuser
    for each in [Role(role)] if role is not None else list(Role):
        told = acl.rules(each, cluster=cluster, password=password)
        click.echo(form(user or each, told))
    if password is None:
        note("nobody can log in as them yet: name a --password-file, or add a password by hand")
