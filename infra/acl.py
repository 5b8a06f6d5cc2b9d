"""What a consumer and a producer may do on a Redis server, and no more. Pure.

The lists are held to what is really used by a test that watches a server while both are at work.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who comes to the server."""

    CONSUMER = "consumer"
    """``azfinsim consume``."""
    PRODUCER = "producer"
    """``azfinsim book``, ``job``, ``price``, ``pool`` and ``top``, and who asks for prices from
    Python."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The commands that a role needs, a subcommand as ``xgroup|create``, and the keys."""

    commands: frozenset[str]
    keys: frozenset[str]
    """Patterns as Redis knows them: ``*`` stands for anything, a brace for itself."""


_BOTH = frozenset(
    {
        # Connecting, and `azfinsim infra check`.
        *("info", "multi", "time"),
        # Scripts, which may do nothing that their caller may not.
        *("evalsha", "script|load"),
        # The grid, jobs, their counts and results.
        *("exists", "expireat", "hdel", "hexists", "hget", "hgetall", "hincrby", "hlen"),
        *("hmget", "hset", "hsetnx"),
        # The roster of consumers.
        *("get", "pttl", "smembers", "srem"),
        # Entries, those that wait for another job, and replies.
        *("del", "xack", "xadd", "xdel", "xlen", "xpending", "xrange"),
    }
)

_CONSUMER = Rights(
    _BOTH
    | {
        # Settling, replying, announcing itself, taking turns.
        *("pexpire", "sadd", "set"),
        # Taking, keeping, taking over, putting aside and leaving.
        *("exec", "xautoclaim", "xclaim", "xgroup|create", "xgroup|delconsumer", "xreadgroup"),
        # Tidying up after others.
        "xinfo|consumers",
    },
    frozenset(
        {
            "az:{0}:grid",
            "az:{*}:book:*:blocks",
            "az:{*}:lane:*",
            "az:{*}:unreadable",
            "az:{*}:replies:*",
            "az:{*}:job:*",
            "az:{0}:waiting*",
            "az:{0}:consumers*",
            "az:{0}:consumer:*",
            "az:{0}:crew:*",
        }
    ),
)

_PRODUCER = Rights(
    _BOTH
    | {
        # Books and the list of jobs.
        *("hkeys", "hscan", "sadd", "unlink", "zadd", "zrem", "zrevrange"),
        # Replies.
        "xread",
        # Controlling realtime consumers.
        "xinfo|stream",
    },
    frozenset(
        {
            "az:{0}:grid",
            "az:{0}:books",
            "az:{*}:book:*",
            "az:{*}:lane:*",
            "az:{*}:replies:*",
            "az:{0}:jobs",
            "az:{*}:job:*",
            "az:{0}:waiting*",
            "az:{0}:consumers",
            "az:{0}:consumer:*",
            "az:{0}:crew:*",
            "az:{0}:controller:*",
        }
    ),
)

RIGHTS: Mapping[Role, Rights] = {Role.CONSUMER: _CONSUMER, Role.PRODUCER: _PRODUCER}

CLUSTER = frozenset({"cluster|info", "cluster|slots", "command"})
"""What a client of a cluster needs besides, to find its way."""


def rules(role: Role, *, cluster: bool = False, password: str | None = None) -> list[str]:
    """The rules of a user, as ``ACL SETUSER`` takes them behind its name.

    A password appears as its SHA-256 alone, which is what Redis keeps of it. Without one the user
    can do all this once somebody adds a password, and until then not log in.
    """
    rights = RIGHTS[role]
    commands = rights.commands | (CLUSTER if cluster else frozenset())
    return [
        "on",
        *([f"#{hashlib.sha256(password.encode()).hexdigest()}"] if password is not None else []),
        *(f"~{pattern}" for pattern in sorted(rights.keys)),
        *(f"+{command}" for command in sorted(commands)),
    ]


def setuser(name: str, told: list[str]) -> str:
    """A command that makes the user, or makes it anew: ``reset`` first takes all from it."""
    return " ".join(["ACL", "SETUSER", name, "reset", *told])


def acl_file_line(name: str, told: list[str]) -> str:
    """A line for the file that the server's ``aclfile`` names."""
    return " ".join(["user", name, *told])
