"""What can be seen of a server: facts alone, no judgement. What it refuses to tell is None."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from engine import keys, scripts
from engine.cache import Cache
from engine.connection import Address, denied, node_infos, open_redis, text
from engine.job import Lane
from infra.acl import Role
from infra.rights import Lacking, lacking

T = TypeVar("T")

Info = Mapping[str, Any]
"""What INFO tells, by the server's own names."""

_CLOCK = scripts.Script("clock")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen."""

    tls: bool
    local: bool
    """Whether the way to it stays on this machine."""
    login: bool
    """Whether it was given a password."""
    clustered: bool
    """Whether it was spoken to as to a cluster."""
    nodes: Mapping[str, Info] = field(default_factory=dict)
    """By name: one, or those of a cluster that take writes; none if INFO is refused."""
    skew: float | None = None
    """Seconds by which the server's clock is ahead of ours, as far as the network lets one see."""
    scripts: bool | None = None
    """Whether it runs Lua."""
    cluster: Info | None = None
    """What CLUSTER INFO tells."""
    spread: Mapping[str, int] | None = None
    """How many partitions lie on each node of a cluster."""
    partitions: int | None = None
    """None if there is no grid yet."""
    books: Mapping[str, int] | None = None
    """How many trades each book holds."""
    rights: Mapping[Role, Lacking | None] = field(default_factory=dict)


async def gather(address: Address, roles: Sequence[Role]) -> Facts:
    """Look at a server, changing nothing on it.

    Raises ServerError if it cannot be reached or is too old.
    """
    async with open_redis(address) as redis:
        partitions = await _partitions(redis)
        rights = {role: await lacking(redis, role) for role in roles}
        return Facts(
            address.tls,
            address.local,
            address.login is not None,
            address.cluster,
            await _nodes(redis),
            await _if_told(_skew(redis)),
            await _scripts_run(redis),
            await _cluster(redis) if address.cluster else None,
            _spread(redis, partitions or 0) if address.cluster else None,
            partitions,
            # Not asked for what would be refused: that would stand in the server's ACL LOG.
            await _if_told(_books(redis, partitions or 0)) if _may_count(rights) else None,
            rights,
        )


async def _if_told(asked: Awaitable[T]) -> T | None:
    """The answer, None if the server refuses it: managed services refuse much."""
    try:
        return await asked
    except ResponseError:
        return None


async def _nodes(redis: Any) -> dict[str, Info]:
    return await _if_told(node_infos(redis)) or {}


async def _skew(redis: Redis) -> float:
    before = time.time()
    seconds, microseconds = await redis.time()
    after = time.time()
    told = float(seconds) + float(microseconds) / 1e6
    # Within the round trip it may have been any moment.
    return min(told - before, 0.0) or max(told - after, 0.0)


async def _scripts_run(redis: Redis) -> bool | None:
    try:
        await scripts.run_one(redis, scripts.Call(_CLOCK, [keys.grid()], []))
    except ResponseError as error:
        # Rights are looked at by themselves.
        return None if denied(error) else False
    return True


async def _cluster(redis: Any) -> Info | None:
    return await _if_told(redis.cluster_info())


def _spread(redis: Any, partitions: int) -> dict[str, int]:
    spread = dict.fromkeys((node.name for node in redis.get_primaries()), 0)
    for partition in range(partitions):
        spread[redis.get_node_from_key(keys.stream(partition, Lane.BULK)).name] += 1
    return spread


async def _partitions(redis: Redis) -> int | None:
    told = text((await _if_told(redis.hget(keys.grid(), "partitions"))) or b"")
    return int(told) if told.isdecimal() else None


async def _books(redis: Redis, partitions: int) -> dict[str, int]:
    cache = Cache(redis, partitions)
    return {book: await cache.count(book) for book in await cache.books()}


def _may_count(rights: Mapping[Role, Lacking | None]) -> bool:
    return Role.PRODUCER in rights and not rights[Role.PRODUCER]
