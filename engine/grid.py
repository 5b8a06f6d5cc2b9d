"""The way into a grid: one connection, and all that is kept on its server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from engine import keys
from engine.address_options import MOST_PARTITIONS
from engine.cache import Cache
from engine.calls import Calls
from engine.connection import Address, open_redis, text
from engine.errors import ServerError, UsageError
from engine.jobs import Jobs
from engine.letters import Letters
from engine.roster import Roster
from engine.streams import Streams

FORMAT = "1"
"""Of the keys and what they hold; raised when an older azfinsim could not read them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What is kept on one server, and the connection to it."""

    redis: Redis
    partitions: int
    cache: Cache
    streams: Streams
    calls: Calls
    jobs: Jobs
    letters: Letters
    roster: Roster


@asynccontextmanager
async def open_grid(address: Address, *, partitions: int | None = None) -> AsyncIterator[Grid]:
    """Connect to a grid; one that is not there yet is made, of one partition if none is told.

    ``partitions`` goes before what the address says. Raises UsageError if the grid is there and
    has another number of them; ServerError if the server cannot be reached, refuses, is too old,
    or holds a grid of another format.
    """
    wanted = partitions or address.partitions
    async with open_redis(address) as redis:
        stored = await redis.hgetall(keys.grid())
        if b"partitions" not in stored:
            # Whoever comes first decides; from then on all read what stands there. Only then is
            # anything written: a full server must let in those who come to make room.
            await redis.hsetnx(keys.grid(), "format", FORMAT)
            await redis.hsetnx(keys.grid(), "partitions", str(wanted or 1))
            stored = await redis.hgetall(keys.grid())
        if (found := text(stored.get(b"format", b"none"))) != FORMAT:
            raise ServerError(
                f"the server at {address} holds a grid of format {found}, this azfinsim reads "
                f"{FORMAT}: use the azfinsim that made it, or another server"
            )
        told = text(stored[b"partitions"])
        # Bounded before int() reads it, which refuses very long numbers with its own words.
        count = int(told) if told.isdecimal() and len(told) <= 4 else 0
        if not 1 <= count <= MOST_PARTITIONS:
            raise ServerError(
                f"{keys.grid()} at {address} has partitions {told[:40]!r}: "
                f"must be a whole number from 1 to {MOST_PARTITIONS}"
            )
        if wanted is not None and wanted != count:
            raise UsageError(
                f"the grid at {address} has {count} partitions and not {wanted}, which cannot be "
                "changed: leave the number out, or use a server (or a database) of its own"
            )
        yield Grid(
            redis,
            count,
            Cache(redis, count),
            Streams(redis, count),
            Calls(redis, count),
            Jobs(redis, count),
            Letters(redis, count),
            Roster(redis),
        )
