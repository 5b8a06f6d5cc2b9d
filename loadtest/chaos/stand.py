"""What a run stands on: servers, networks, seats and a grid, made and ended in order."""

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import TaskGroup

from engine.connection import Address, open_redis
from engine.errors import UsageError
from engine.grid import open_grid
from loadtest.chaos.ground import Ground
from loadtest.chaos.plan import POISON, Plan
from loadtest.chaos.proxy import Proxy, Upstream
from loadtest.chaos.seats import Seat, Seats
from loadtest.chaos.servers import Servers
from loadtest.chaos.work import Work

PAGE = 1000

SLOT_MEMORY = 256
"""Megabytes."""


@asynccontextmanager
async def standing(plan: Plan, folder: Path) -> AsyncIterator[tuple[Ground, Address]]:
    """A ground for a run, and where its realtime client finds the server.

    What was started ends with the body, and what was stored is deleted. Raises UsageError if
    there is a grid at the address already.
    """
    async with AsyncExitStack() as stack:
        servers = await _servers(plan, folder, stack)
        upstream = servers.upstream if servers is not None else _upstream(plan.address)
        networks = [
            await _network(plan.address, upstream, stack) for _ in range(plan.consumers + 2)
        ]
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
        yield (
            Ground(grid, seats, work, tending, plan.lease, proxies, servers, plan.other_version),
            others[-1][0],
        )


async def _servers(plan: Plan, folder: Path, stack: AsyncExitStack) -> Servers | None:
    if plan.address is not None:
        return None
    servers = Servers(folder)
    stack.callback(servers.stop)
    await servers.start(with_replica=plan.with_replica)
    return servers


def networked(address: Address | None) -> bool:
    """Whether a proxy can stand before the server: not where it has to have the right name."""
    if address is None:
        return True
    return address.scheme == "redis" and not address.cluster and not address.sentinel


def _upstream(address: Address | None) -> Upstream | None:
    if address is None or not networked(address):
        return None
    return Upstream(*address.hosts[0])


async def _network(
    address: Address | None, upstream: Upstream | None, stack: AsyncExitStack
) -> tuple[Address, Proxy | None]:
    """A way to the server: through a proxy of its own where there can be one."""
    if upstream is None:
        assert address is not None
        return address, None
    proxy = await stack.enter_async_context(Proxy(upstream))
    if address is None:
        return Address.parse(f"redis://127.0.0.1:{proxy.port}/0"), proxy
    way = urlsplit(address.url)._replace(netloc=f"127.0.0.1:{proxy.port}")
    return replace(address, url=urlunsplit(way)), proxy


def _seats(plan: Plan, networks: list[tuple[Address, Proxy | None]]) -> list[Seat]:
    lanes = "realtime,high,bulk" if plan.realtime else "high,bulk"
    lease = str(plan.lease)
    options = [
        *("--lane", lanes, "--slots", "1", "--lease", lease, "--realtime-lease", lease),
        *("--drain", "5", "--warm-up", "15"),
    ]
    module = "loadtest.chaos.jumpy" if "clock" in plan.kinds else "consumer"
    seats = [
        Seat(number, address, proxy, options, module)
        for number, (address, proxy) in enumerate(networks, start=1)
    ]
    if POISON in plan.kinds and sys.platform == "linux":
        # One of them prices in processes with a bound, where memory can really be exhausted.
        seats[-1].options = [*options, "--slot-memory", str(SLOT_MEMORY)]
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
