"""Judging a server by what was seen of it: what is wrong, why it matters, and the way out. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from infra.facts import Facts, Info

BYTES_A_TRADE = 400
"""Of a trade and its result in one job, with all that is kept for them (docs/measurements.md)."""

ROOM = 0.8
"""Of the memory: beyond that the server has little left for connections and for copying itself."""

SKEW = 2.0
"""Seconds."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Work stops, or is lost, or is open to others."""
    WARNING = "warning"
    """It works until something happens."""
    NOTE = "note"
    """To be known, and may be as it should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, or that cannot be told."""

    severity: Severity
    subject: str
    what: str
    why: str
    way_out: str


def judge(facts: Facts, trades: int | None = None) -> list[Finding]:
    """All that is to be said of a server, the worst first.

    ``trades`` is the size of a book that it is to hold besides those it has.
    """
    found = [finding for rule in _RULES for finding in rule(facts)]
    found += _room(facts, trades)
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def bytes_needed(trades: int) -> int:
    """Memory for a book of so many trades and the results of one job over it."""
    return trades * BYTES_A_TRADE


def memory_limit(info: Info) -> int | None:
    """Bytes that a server may use: what it is allowed, or what its machine has."""
    return int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0)) or None


def _told(facts: Facts) -> Iterator[Finding]:
    if not facts.nodes:
        yield Finding(
            Severity.NOTE,
            "info",
            "memory, persistence, eviction and replicas cannot be told: INFO is refused",
            "managed services and users with few rights are not told everything",
            "look at them where the server is managed, or allow the user `info`",
        )
    if facts.skew is None:
        yield Finding(
            Severity.NOTE,
            "clock",
            "the server's clock cannot be told: TIME is refused",
            "jobs and deadlines go by it",
            "allow the user `time`",
        )


def _eviction(facts: Facts) -> Iterator[Finding]:
    for name, info in facts.nodes.items():
        policy = str(info.get("maxmemory_policy", "noeviction"))
        # Without a limit there is never a reason to evict.
        if policy != "noeviction" and int(info.get("maxmemory", 0)):
            yield Finding(
                Severity.ERROR,
                "eviction",
                f"{name} evicts keys when its memory is full ({policy})",
                "trades, queued work and results would vanish without a word",
                "CONFIG SET maxmemory-policy noeviction: a full server refuses writes instead, and "
                "consumers wait for room",
            )


def _persistence(facts: Facts) -> Iterator[Finding]:
    for name, info in facts.nodes.items():
        if "aof_enabled" in info and not int(info["aof_enabled"]):
            yield Finding(
                Severity.WARNING,
                "persistence",
                f"{name} keeps no append-only file",
                "after a restart all is lost since its last snapshot, or everything",
                "CONFIG SET appendonly yes (`azfinsim serve --dir`), or rely on replicas and on "
                "`azfinsim job resume`",
            )
        for status in ("aof_last_write_status", "aof_last_bgrewrite_status"):
            if str(info.get(status, "ok")) != "ok" and int(info.get("aof_enabled", 0)):
                yield Finding(
                    Severity.ERROR,
                    "persistence",
                    f"{name} could not write its append-only file ({status})",
                    "it refuses writes, or loses them when it is restarted",
                    "look into its log, and whether its disk is full",
                )
        if str(info.get("rdb_last_bgsave_status", "ok")) != "ok":
            yield Finding(
                Severity.ERROR,
                "persistence",
                f"{name} could not write its last snapshot",
                "it refuses writes until it can, as it is set up by default",
                "look into its log, and whether its disk is full or memory is lacking for a copy",
            )


def _clock(facts: Facts) -> Iterator[Finding]:
    if facts.skew is not None and abs(facts.skew) > SKEW:
        yield Finding(
            Severity.WARNING,
            "clock",
            f"the server's clock is {abs(facts.skew):,.1f} s "
            f"{'ahead of' if facts.skew > 0 else 'behind'} this machine's",
            "logs and telemetry do not fit together, and certificates may pass for expired",
            "have both set their clocks by NTP",
        )


def _closed(facts: Facts) -> Iterator[Finding]:
    if facts.local:
        return
    if not facts.tls:
        yield Finding(
            Severity.ERROR,
            "tls",
            "the way to the server is not encrypted",
            "whoever is on it reads and changes trades, prices and the password",
            "have the server speak TLS and say rediss://",
        )
    if not facts.login:
        yield Finding(
            Severity.ERROR,
            "password",
            "the server lets in whoever reaches it, without a password",
            "he can change prices, or delete everything",
            "make users with `azfinsim infra acl`, and switch the default user off",
        )


def _rights(facts: Facts) -> Iterator[Finding]:
    for role, lacking in facts.rights.items():
        if lacking is None:
            yield Finding(
                Severity.NOTE,
                "rights",
                f"whether the user may do what a {role} does cannot be told: MULTI is refused",
                "a right that is lacking shows only when it is needed",
                "allow the user `multi`",
            )
        elif lacking:
            names = [*(f"+{c}" for c in lacking.commands), *(f"~{k}" for k in lacking.keys)]
            yield Finding(
                Severity.ERROR,
                "rights",
                f"for a {role} the user lacks {' '.join(names)}",
                f"a {role} stops when it comes to need it",
                f"give it what `azfinsim infra acl {role}` prints, or leave this role out of the "
                "check with --role",
            )


def _scripts(facts: Facts) -> Iterator[Finding]:
    if facts.scripts is False:
        yield Finding(
            Severity.ERROR,
            "scripts",
            "the server runs no Lua scripts",
            "each step that must not be half done is a script: nothing works without",
            "switch them on, or take a server that has them",
        )


def _replicas(facts: Facts) -> Iterator[Finding]:
    for name, info in facts.nodes.items():
        if str(info.get("role", "master")) != "master":
            yield Finding(
                Severity.ERROR,
                "replicas",
                f"{name} is a replica",
                "it takes no writes",
                "take the server that it follows, or ask its sentinels with ?sentinel=SERVICE",
            )
        elif int(info.get("connected_slaves", 0)) and "min_slaves_good_slaves" not in info:
            yield Finding(
                Severity.WARNING,
                "replicas",
                f"{name} goes on taking writes when its replicas are cut off",
                "what it has taken until it is replaced is lost then",
                "CONFIG SET min-replicas-to-write 1",
            )


def _cluster(facts: Facts) -> Iterator[Finding]:
    enabled = any(int(info.get("cluster_enabled", 0)) for info in facts.nodes.values())
    if enabled and not facts.clustered:
        yield Finding(
            Severity.ERROR,
            "cluster",
            "the server is a node of a cluster, and is spoken to as if it were alone",
            "keys that lie on other nodes are refused",
            "add ?cluster=true to the Redis URL",
        )
    state = str((facts.cluster or {}).get("cluster_state", "ok"))
    if state != "ok":
        yield Finding(
            Severity.ERROR,
            "cluster",
            f"the cluster is in the state {state!r}",
            "it refuses some keys, or all",
            "CLUSTER NODES says which nodes are away",
        )
    idle = [node for node, count in (facts.spread or {}).items() if not count]
    if idle and facts.partitions:
        yield Finding(
            Severity.WARNING,
            "partitions",
            f"none of the grid's {facts.partitions} partitions lies on {', '.join(idle)}",
            "a partition lies where its number is hashed to: these nodes idle",
            "make the grid anew with ?partitions=N in the Redis URL, several times the nodes",
        )


def _room(facts: Facts, trades: int | None) -> Iterator[Finding]:
    """Whether what is to come fits in; a book is spread evenly over the nodes."""
    limits = [memory_limit(info) for info in facts.nodes.values()]
    if not limits or None in limits:
        return
    limit = sum(each or 0 for each in limits)
    used = sum(int(info.get("used_memory", 0)) for info in facts.nodes.values())
    coming = bytes_needed(trades or 0)
    if used + coming <= ROOM * limit:
        return
    what = f"{_size(used)} of {_size(limit)} are used"
    if trades:
        what += f", and a book of {trades:,} trades takes about {_size(coming)}"
    yield Finding(
        Severity.ERROR if used + coming > limit else Severity.WARNING,
        "memory",
        what,
        "a full server takes no more trades and no more results",
        "give it more memory, drop books or jobs that have ended (`azfinsim book drop`, "
        "`azfinsim job drop`), or keep jobs for fewer days",
    )


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


_RULES: list[Callable[[Facts], Iterator[Finding]]] = [
    *(_told, _eviction, _persistence, _clock, _closed),
    *(_rights, _scripts, _replicas, _cluster),
]
