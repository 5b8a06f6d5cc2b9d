"""The proxy: a network that can be slow, deaf, or cut."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from loadtest.chaos.patience import until
from loadtest.chaos.proxy import Proxy, Upstream


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[Upstream]:
    """A server that answers what it is told."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield Upstream(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()


class Client:
    """A connection through a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, word: bytes) -> None:
        self._writer.write(word)
        await self._writer.drain()

    async def hear(self, within: float = 5.0) -> bytes:
        """What comes next; b"" at the end of the connection. Raises TimeoutError."""
        with anyio.fail_after(within):
            try:
                return await self._reader.read(1000)
            except ConnectionError:
                return b""

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    made = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[Proxy, Client]]:
    async with echoing() as upstream, Proxy(upstream) as proxy, client(proxy) as one:
        await one.say(b"first")
        assert await one.hear() == b"first"
        yield proxy, one


async def test_it_passes_bytes_both_ways() -> None:
    async with joined() as (proxy, one):
        await one.say(b"x" * 500)
        assert await one.hear() == b"x" * 500
        assert proxy.links == 1
        one.close()

        async def none_left() -> bool:
            return not proxy.links

        assert await until(none_left, 5)


async def test_it_is_late_as_long_as_it_is_told_to() -> None:
    async with joined() as (proxy, one):
        proxy.delay = 0.1
        began = time.monotonic()
        await one.say(b"slow")
        assert await one.hear() == b"slow"
        assert time.monotonic() - began >= 0.2
        proxy.restore()
        assert proxy.delay == 0


async def test_what_is_swallowed_never_comes_and_its_connection_ends() -> None:
    """As TCP has it: nothing may arrive behind bytes that were lost."""
    async with joined() as (proxy, one), client(proxy) as idle:
        await idle.say(b"idle")
        assert await idle.hear() == b"idle"
        proxy.drop()
        await one.say(b"lost")
        with pytest.raises(TimeoutError):
            await one.hear(within=0.1)
        proxy.restore()
        assert await one.hear() == b""
        await idle.say(b"unharmed")
        assert await idle.hear() == b"unharmed"


async def test_cutting_ends_connections_and_new_ones_are_possible() -> None:
    async with joined() as (proxy, one):
        assert proxy.cut() == 1
        assert await one.hear() == b""
        async with client(proxy) as other:
            await other.say(b"again")
            assert await other.hear() == b"again"


async def test_it_follows_a_server_that_moves_and_hangs_up_where_there_is_none() -> None:
    async with joined() as (proxy, _), echoing() as elsewhere:
        proxy.upstream.port = 1
        async with client(proxy) as refused:
            assert await refused.hear() == b""
        proxy.upstream.port = elsewhere.port
        async with client(proxy) as other:
            await other.say(b"here")
            assert await other.hear() == b"here"
