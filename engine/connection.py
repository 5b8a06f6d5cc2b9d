"""Reaching a Redis server: what it must be able to do, and its errors in our words."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from redis.maint_notifications import MaintNotificationsConfig

from engine import tls
from engine.address import Address
from engine.errors import ServerError, ServerFull, UsageError, leaf
from engine.identity import Tokens
from engine.login import way_out
from engine.login_provider import provider_of

__all__ = ["Address", "denied", "explain", "open_redis", "passes", "text"]

OLDEST = (6, 2)
"""The oldest Redis that has all we use: XAUTOCLAIM, XPENDING by idle time."""

_PASSING = (
    ConnectionError,
    TimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
    NoScriptError,
    # All nodes are away, or the one that has a slot.
    RedisClusterException,
)

# Codes that the client has no class for, or does not see since Redis 6.2 puts its own words before
# what a command within a script was answered.
_PASSING_CODES = re.compile(
    r"\b(OOM|READONLY|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|UNBLOCKED|CLUSTERDOWN|TRYAGAIN)\b"
)

# How servers word it, each of them another way, when a script does what its caller may not.
_DENIED_TO_SCRIPT = re.compile("user executing the script can't|ACL failure in script")

SOCKET_TIMEOUT = 5.0
"""Seconds without an answer after which a connection is given up. Blocking reads are shorter."""


MOST_CONNECTIONS = 10_000
"""Of one process: a blocking read for each partition holds one, and the library's own bound, 100,
would be met at that many; then leases could not be renewed."""


_send_packed_command = AbstractConnection.send_packed_command


async def _send(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
    """Send a command, after the newest token if there are tokens; tell a connection that was cut
    just before by an error that is known."""
    try:
        if isinstance(self.credential_provider, Tokens):
            await self.credential_provider.keep(self)
        await _send_packed_command(self, *args, **kwargs)
    except RuntimeError as error:
        # uvloop's, where asyncio would raise an OSError. redis-py knows only that one: a consumer
        # would end for it, instead of waiting for its server.
        if "handler is closed" not in str(error):
            raise
        raise ConnectionError(f"the connection was cut: {error}") from error
    except AttributeError as error:
        # The client of a cluster that has lost a node closes its connections, those too on which
        # somebody is just about to send.
        if self.is_connected:
            raise
        raise ConnectionError("the connection was closed meanwhile") from error


# In place of a subclass, since a client of a cluster takes none.
AbstractConnection.send_packed_command = _send  # type: ignore[method-assign]


class _Sentinels(Sentinel):
    """Sentinels whose error is short, and shows nothing of the clients that asked them."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            found: tuple[str, int] = await super().discover_master(service_name)
        except MasterNotFoundError as error:
            why = tls.trouble(str(error))
            raise MasterNotFoundError(
                f"no sentinel that answers knows a server for {service_name!r} that is in service"
                f"{f' ({why})' if why else ''}"
            ) from None
        return found


@asynccontextmanager
async def open_redis(address: Address) -> AsyncIterator[Redis]:
    """Connect and check the server; close at the end.

    Raises ServerError if it cannot be reached, refuses, or is too old, then and while in use.
    """
    async with AsyncExitStack() as stack:
        try:
            # A cluster is asked for its nodes here.
            redis = await stack.enter_async_context(await _client(address, stack))
            await _check_version(redis)
            yield redis
        except (RedisError, RedisClusterException, BaseExceptionGroup) as error:
            cause = leaf(error)
            if isinstance(cause, RedisError | RedisClusterException):
                raise explain(cause, address) from error
            raise


async def _client(address: Address, stack: AsyncExitStack) -> Redis:
    """The client, which has not connected yet; what it needs besides is closed with the stack."""
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "max_connections": MOST_CONNECTIONS,
        # Each would be one more right to be had, or to be refused and noted in the ACL LOG: telling
        # which library calls, and asking for news of a maintenance, at which the server hangs up,
        # which is waited for like any other end of a connection.
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if address.login is not None:
        options["credential_provider"] = await provider_of(address.login, stack)
    if not address.cluster and not address.sentinel:
        try:
            return Redis.from_url(address.client_url, **options)
        except ValueError as error:
            raise UsageError(f"the Redis URL: {error}") from None
    try:
        options |= parse_url(address.client_url)
    except ValueError as error:
        raise UsageError(f"the Redis URL: {error}") from None
    del options["host"]
    options.pop("port", None)
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    if address.cluster:
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        # Offers what we use of Redis under the same names.
        return cast(Redis, RedisCluster(startup_nodes=nodes, **options))
    # Sentinels have users and databases of their own: they are asked without a password. The client
    # would try one that is away for seconds before it asks the next.
    of_servers = ("credential_provider", "db")
    asking = {name: value for name, value in options.items() if name not in of_servers}
    asking["retry"] = Retry(NoBackoff(), 0)
    sentinel = _Sentinels(address.hosts, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]
    await stack.enter_async_context(sentinel)
    return cast(Redis, sentinel.master_for(str(address.sentinel)))


async def _check_version(redis: Redis) -> None:
    try:
        info = await redis.info("server")
    except NoPermissionError:
        return  # A user with least rights may not ask; the first command will tell.
    # A cluster answers for each of its nodes.
    for node in info.values() if "redis_version" not in info else [info]:
        version = str(node["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise ServerError(
                f"the server is Redis {version}: azfinsim needs {OLDEST[0]}.{OLDEST[1]} or later, "
                "or Valkey"
            )


async def node_infos(redis: Any) -> dict[str, Mapping[str, Any]]:
    """What INFO tells of the server, by node; of a cluster, of those that take writes.

    Raises what redis-py raises, where INFO is refused too.
    """
    if not isinstance(redis, RedisCluster):
        return {"the server": await redis.info()}
    found: dict[str, Any] = await redis.info(target_nodes=RedisCluster.PRIMARIES)
    # A cluster of one node answers for itself.
    return found if "redis_version" not in found else {"the server": found}


def text(value: object) -> str:
    """A string that the server sent; bytes that are not UTF-8 show as replacement characters."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def passes(error: object) -> bool:
    """Whether this is an error that ends by itself or by a person's help: worth waiting for."""
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, ResponseError) and bool(_PASSING_CODES.search(str(error)))


def denied(error: Exception) -> bool:
    """Whether the user lacks a right, for a command or for what a script does."""
    return isinstance(error, NoPermissionError) or bool(_DENIED_TO_SCRIPT.search(str(error)))


def explain(error: RedisError | RedisClusterException, address: Address) -> ServerError:
    """Put a client's error into words for the user."""
    match error:
        case OutOfMemoryError():
            return ServerFull(
                f"the Redis server at {address} is full (its maxmemory is reached): "
                "give it more memory or drop a book, then run `azfinsim job resume`"
            )
        case AuthenticationError():
            return ServerError(
                f"the Redis server at {address} refuses: {error}. {way_out(address.login)}"
            )
        case _ if denied(error):
            return ServerError(
                f"the Redis server at {address} refuses: {error}. `azfinsim infra acl` prints the "
                "rights that are needed"
            )
        case ConnectionError() | TimeoutError() | RedisClusterException():
            return _unreachable(str(error).rstrip("."), address)
        case _:
            return ServerError(f"the Redis server at {address} answers: {error}")


def _unreachable(error: str, address: Address) -> ServerError:
    if address.tls and (why := tls.trouble(error)):
        return ServerError(f"no way to talk to the Redis server at {address}: {why}")
    certificate = "ssl_certfile" in address.options
    way_out = tls.hint(error, over_tls=address.tls, certificate=certificate) or (
        "Start one with `azfinsim serve`, or say where one is with --redis-url or "
        "AZFINSIM_REDIS_URL"
    )
    return ServerError(f"no Redis server answers at {address}: {error}. {way_out}")
