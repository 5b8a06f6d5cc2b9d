"""What the user we are may do on a server, found out without doing any of it.

Within ``MULTI`` a server checks each command when it is queued, and what is queued is gone with the
connection. So this works for every user, on managed servers too, where rights cannot be read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from infra.acl import RIGHTS, Role

_KEY = "az:{0}:grid"
"""Stands in the samples for a key; nothing is done to it."""

_SAMPLES = {
    "evalsha": ("0" * 40, "1", _KEY),
    "script|load": ("return 1",),
    "exec": (),
    "exists": (_KEY,),
    "expireat": (_KEY, "9999999999"),
    "hdel": (_KEY, "x"),
    "hexists": (_KEY, "x"),
    "hget": (_KEY, "x"),
    "hgetall": (_KEY,),
    "hincrby": (_KEY, "x", "1"),
    "hkeys": (_KEY,),
    "hlen": (_KEY,),
    "hmget": (_KEY, "x"),
    "hscan": (_KEY, "0"),
    "hset": (_KEY, "x", "1"),
    "hsetnx": (_KEY, "x", "1"),
    "get": (_KEY,),
    "set": (_KEY, "1"),
    "del": (_KEY,),
    "unlink": (_KEY,),
    "pexpire": (_KEY, "1000000"),
    "pttl": (_KEY,),
    "sadd": (_KEY, "x"),
    "smembers": (_KEY,),
    "srem": (_KEY, "x"),
    "time": (),
    "info": (),
    "xack": (_KEY, "g", "0-0"),
    "xadd": (_KEY, "*", "x", "1"),
    "xautoclaim": (_KEY, "g", "c", "1000", "0-0"),
    "xclaim": (_KEY, "g", "c", "1000", "0-0"),
    "xdel": (_KEY, "0-0"),
    "xgroup|create": (_KEY, "g", "0"),
    "xgroup|delconsumer": (_KEY, "g", "c"),
    "xinfo|consumers": (_KEY, "g"),
    "xinfo|stream": (_KEY,),
    "xlen": (_KEY,),
    "xpending": (_KEY, "g"),
    "xrange": (_KEY, "-", "+"),
    "xread": ("STREAMS", _KEY, "0"),
    "xreadgroup": ("GROUP", "g", "c", "STREAMS", _KEY, ">"),
    "zadd": (_KEY, "1", "x"),
    "zrem": (_KEY, "x"),
    "zrevrange": (_KEY, "0", "-1"),
}
"""Arguments with which a server takes each command."""

_NEVER_QUEUED = frozenset({"multi", "exec"})
"""What a server would do at once."""

_OF_COMMAND = re.compile(r"\bto run the\b")
"""Redis says so of a command; of a key, that it may not be accessed."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a role needs and the user may not."""

    commands: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commands or self.keys)


async def lacking(redis: Redis, role: Role) -> Lacking | None:
    """What the user lacks for a role; None if that cannot be told.

    Raises redis.ConnectionError and redis.TimeoutError as the client does.
    """
    rights = RIGHTS[role]
    commands = sorted(rights.commands - _NEVER_QUEUED)
    keys = sorted(rights.keys)
    # One that every role has shows what becomes of keys.
    probes = [(*command.split("|"), *_SAMPLES[command]) for command in commands]
    probes += [("EXISTS", _example(pattern)) for pattern in keys]
    answers = await _queued(redis, probes)
    if answers is None:
        return None
    of_commands, of_keys = answers[: len(commands)], answers[len(commands) :]
    denied = [c for c, answer in zip(commands, of_commands, strict=True) if _is_command(answer)]
    hidden = [
        pattern
        for pattern, answer in zip(keys, of_keys, strict=True)
        if isinstance(answer, NoPermissionError) and not _is_command(answer)
    ]
    return Lacking(tuple(denied), tuple(hidden))


async def _queued(
    redis: Redis, probes: Sequence[tuple[str, ...]]
) -> list[RedisError | None] | None:
    """What a server said to each command when it was queued; None if it queues nothing for us."""
    connection = _connection(redis)
    try:
        await connection.connect()
        await connection.send_command("MULTI")
        try:
            await connection.read_response()
        except NoPermissionError:
            return None
        answers: list[RedisError | None] = []
        for probe in probes:
            await connection.send_command(*probe)
            try:
                await connection.read_response()
                answers.append(None)
            except AuthenticationError:
                raise
            except RedisError as error:
                answers.append(error)
        return answers
    finally:
        # Not DISCARD: that would be one more right to have.
        await connection.disconnect()


def _connection(redis: Any) -> Any:
    """A connection of our own, to be thrown away."""
    if isinstance(redis, RedisCluster):
        node = redis.get_default_node()
        return node.connection_class(**node.connection_kwargs)
    return redis.connection_pool.make_connection()


def _example(pattern: str) -> str:
    """A key of a pattern, that is not in use."""
    return pattern.replace("{*}", "{0}").replace("*", "azfinsim-check")


def _is_command(answer: RedisError | None) -> bool:
    return isinstance(answer, NoPermissionError) and bool(_OF_COMMAND.search(str(answer)))
