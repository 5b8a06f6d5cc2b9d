"""What a run stands on: servers, networks, seats and a grid, made and ended in order."""

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import TaskGroup

from engine.connection import Address, open_redis
from engine.errors import UsageError
from engine.grid import open_grid
from loadtest.chaos.cluster import Cluster
from loadtest.chaos.controls import Controls
from loadtest.chaos.ground import Ground
from loadtest.chaos.plan import CONTROLLER, POISON, Plan
from loadtest.chaos.proxy import Proxy, Upstream
from loadtest.chaos.seats import Seat, Seats
from loadtest.chaos.servers import At, Servers, plain, with_tls
from loadtest.chaos.work import Work

PAGE = 1000

SLOT_MEMORY = 256
"""Megabytes."""

STEADY = 1
"""The seat of the consumer that is spared, if one is."""


@asynccontextmanager
async def standing(plan: Plan, folder: Path) -> AsyncIterator[tuple[Ground, Address]]:
    """A ground for a run, and where its realtime client finds the server.

    What was started ends with the body, and what was stored is deleted. Raises UsageError if
    there is a grid at the address already.
    """
    async with AsyncExitStack() as stack:
        servers, way = await _servers(plan, folder, stack)
        networks = [await _network(way, plan.partitions, stack) for _ in range(plan.consumers + 2)]
        # The first is the run's own, which nothing disturbs.
        [(own, _), *others] = networks
        if plan.address is not None:
            await _check_empty(plan.address)
            stack.push_async_callback(_wipe, plan.address)
        grid = await stack.enter_async_context(open_grid(own))
        mark = secrets.token_hex(8)
        seats = Seats(folder, mark, _seats(plan, others[:-1]))
        tending = await stack.enter_async_context(_cancelled_at_end())
        stack.callback(seats.kill)
        proxies = [proxy for _, proxy in others if proxy is not None]
        work = Work(grid, own, folder, mark, plan.trades, plan.seed)
        ground = Ground(
            grid, seats, work, tending, plan.lease, proxies, servers, plan.other_version
        )
        ground.spared = STEADY if plan.steady else None
        if CONTROLLER in plan.kinds:
            # By the realtime client's network: faults of it strike them, too.
            ground.controls = Controls(grid, others[-1][0], folder / "crews", mark)
            stack.callback(ground.controls.kill)
        yield ground, others[-1][0]


@dataclass(frozen=True, slots=True)
class _Way:
    """How the server is come to: by an address, or by a proxy for it wherever that listens."""

    address: Address | None = None
    upstream: Upstream | None = None
    at: At | None = None


async def _servers(
    plan: Plan, folder: Path, stack: AsyncExitStack
) -> tuple[Servers | Cluster | None, _Way]:
    """Servers of the run's own, if the plan says so, and the way to those that there are."""
    if plan.address is not None:
        return None, _way_to(plan.address)
    if plan.ground == "cluster":
        cluster = Cluster(folder)
        stack.callback(cluster.stop)
        await cluster.start()
        return cluster, _Way(cluster.address)
    make, at = with_tls(folder / "tls") if plan.ground == "tls" else plain()
    servers = Servers(folder, make)
    stack.callback(servers.stop)
    await servers.start(with_replica=plan.with_replica)
    return servers, _Way(None, servers.upstream, at)


def networked(address: Address | None) -> bool:
    """Whether a proxy can stand before the server: not where it has to have the right name."""
    if address is None:
        return True
    return address.scheme == "redis" and not address.cluster and not address.sentinel


def _way_to(address: Address) -> _Way:
    """The way to a user's server."""
    if not networked(address):
        return _Way(address)

    def at(port: int) -> Address:
        parts = urlsplit(address.url)._replace(netloc=f"127.0.0.1:{port}")
        return replace(address, url=urlunsplit(parts))

    return _Way(None, Upstream(*address.hosts[0]), at)


async def _network(
    way: _Way, partitions: int, stack: AsyncExitStack
) -> tuple[Address, Proxy | None]:
    """A network to the server: with a proxy of its own where there can be one.

    The address tells the number of partitions, for whoever comes first after all was lost.
    """
    if way.upstream is None or way.at is None:
        assert way.address is not None
        return way.address.with_partitions(partitions), None
    proxy = await stack.enter_async_context(Proxy(way.upstream))
    return way.at(proxy.port).with_partitions(partitions), proxy


def _seats(plan: Plan, networks: list[tuple[Address, Proxy | None]]) -> list[Seat]:
    lanes = "realtime,high,bulk" if plan.realtime else "high,bulk"
    lease = str(plan.lease)
    options = [
        *("--lane", lanes, "--slots", "1", "--lease", lease, "--realtime-lease", lease),
        *("--drain", "5", "--warm-up", "15"),
    ]
    module = "loadtest.chaos.jumpy" if "clock" in plan.kinds else "consumer"
    seats = [
        Seat(number, address, proxy, [*options, "--home", str(number)], module)
        for number, (address, proxy) in enumerate(networks, start=1)
    ]
    if POISON in plan.kinds and sys.platform == "linux":
        # One of them prices in processes with a bound, where memory can really be exhausted.
        seats[-1].options = [*seats[-1].options, "--slot-memory", str(SLOT_MEMORY)]
    return seats


@asynccontextmanager
async def _cancelled_at_end() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as tending:
        try:
            yield tending
        finally:
            tending.cancel_scope.cancel()


async def _check_empty(address: Address) -> None:
    async with open_redis(address) as redis:
        async for _ in redis.scan_iter(match="az:*", count=PAGE):
            raise UsageError(
                f"there is a grid at {address} already, to whose jobs chaos would do harm: give it "
                "a database of its own, as in redis://HOST:PORT/1"
            )


async def _wipe(address: Address) -> None:
    async with open_redis(address) as redis:
        async for key in redis.scan_iter(match="az:*", count=PAGE):
            await redis.unlink(key)
