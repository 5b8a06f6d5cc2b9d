"""A TCP proxy in this process that can be a bad network: slow, deaf, or cut.

What may live here: how bytes get from a client to a server and back, or do not.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

PIECE = 1 << 16
"""Bytes passed on at once."""


@dataclass(slots=True)
class Upstream:
    """Where the server is; it may move, and links made from then on go there."""

    host: str
    port: int


@dataclass(eq=False, slots=True)
class _Link:
    """A client's connection and its twin to the server."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    lost: bool = False
    """Whether bytes were swallowed: what came after them would be nonsense."""

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


class Proxy:
    """Listens on a port of its own and passes bytes both ways; an async context manager.

    Not safe for threads: to be used on the event loop that it was opened on.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.delay = 0.0
        """Seconds by which each piece is late, in both directions."""
        self._deaf = False
        self._links: set[_Link] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._pumps:
            await asyncio.wait(self._pumps)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def links(self) -> int:
        """Connections that clients have."""
        return len(self._links)

    def cut(self) -> int:
        """End all connections; returns how many."""
        links = list(self._links)
        for link in links:
            link.close()
        return len(links)

    def drop(self) -> None:
        """Swallow all bytes from now on; connections stay open."""
        self._deaf = True

    def restore(self) -> None:
        """Pass bytes on again, at once.

        Connections that have lost some end, as they would after a network's long silence.
        """
        self._deaf, self.delay = False, 0.0
        for link in list(self._links):
            if link.lost:
                link.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        link = _Link([writer])
        self._links.add(link)
        try:
            # Nobody awaits this task, and asyncio before 3.12 trips over one that was cancelled.
            with suppress(asyncio.CancelledError):
                await self._join(link, reader, writer)
        finally:
            link.close()
            self._links.discard(link)
            self._pumps.discard(task)

    async def _join(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass bytes both ways until one side has closed."""
        try:
            answers, server = await asyncio.open_connection(self.upstream.host, self.upstream.port)
        except OSError:
            return  # As a client is told whose server is away.
        link.writers.append(server)
        ways = [
            asyncio.create_task(self._pump(link, reader, server)),
            asyncio.create_task(self._pump(link, answers, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                link.lost |= self._deaf
                if not link.lost:
                    writer.write(data)
                    await writer.drain()
