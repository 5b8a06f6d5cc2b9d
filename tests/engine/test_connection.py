"""What a connection to a server tells of itself when it is cut."""

from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from redis.exceptions import ConnectionError

from engine.connection import Address, open_redis, passes
from tests.conftest import FreshServer


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def test_a_connection_cut_in_the_moment_of_sending_is_waited_for(
    fresh_server: FreshServer,
) -> None:
    """G4: as when all nodes of a cluster go away, where the client does not look first."""
    server = fresh_server(port=0)
    async with open_redis(Address.parse(server.url)) as redis:
        pool: Any = redis.connection_pool
        connection = await pool.get_connection()
        connection._writer.transport.abort()
        await checkpoint()
        with pytest.raises(ConnectionError, match="cut") as caught:
            await connection.send_command("PING")
        assert passes(caught.value)
        # It begins anew.
        await connection.send_command("PING")
        assert await connection.read_response() == b"PONG"
        await pool.release(connection)


async def test_a_connection_that_somebody_closes_meanwhile_is_waited_for(
    fresh_server: FreshServer,
) -> None:
    """G4: as a cluster's client does with those in use, when it has lost a node."""
    server = fresh_server(port=0)
    async with open_redis(Address.parse(server.url)) as redis:
        pool: Any = redis.connection_pool
        connection = await pool.get_connection()
        check = connection.check_health

        async def closed_meanwhile() -> None:
            await check()
            await connection.disconnect(nowait=True)

        connection.check_health = closed_meanwhile
        with pytest.raises(ConnectionError, match="closed meanwhile") as caught:
            await connection.send_command("PING")
        assert passes(caught.value)
        await pool.release(connection)
