"""The cache: books of trades in Redis, by block. The one module that reads and writes them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1

import numpy as np
from redis.asyncio import Redis

from engine import keys, scripts
from engine.blocks import Trades, blocks_of, merged, without
from engine.codec import Block, decode_block, encode_block
from engine.connection import text
from engine.errors import ServerError
from engine.ids import BLOCK_SIZE, Ids, format_ids, parse_ids, partition_of

_PUT_BLOCK = scripts.Script("put_block")

_EMPTY = Block((), {})

_ANY = "*"
"""Asks ``put_block`` to store a block whatever is there."""

PAGE = 200
"""Blocks fetched in one go when a book is read from end to end: some megabytes."""


@dataclass(frozen=True, slots=True)
class Cache:
    """The books of one server."""

    redis: Redis
    partitions: int

    async def books(self) -> list[str]:
        """The names of the books, sorted."""
        return sorted(text(name) for name in await self.redis.smembers(keys.books()))

    async def upsert(self, book: str, trades: Trades) -> None:
        """Put trades in; one whose ID is there already is replaced, of two with one ID the later.

        Safe beside other writers: each block is stored only if nobody changed it meanwhile.
        """
        await self.redis.sadd(keys.books(), book)
        blocks = list(blocks_of(trades).items())
        for start in range(0, len(blocks), PAGE):
            page = dict(blocks[start : start + PAGE])
            whole = {n: page.pop(n) for n in list(page) if len(page[n].ids) == BLOCK_SIZE}
            await self._replace(book, whole)
            while page:
                page = await self._upsert_once(book, page)

    async def read(self, book: str, numbers: Sequence[int]) -> dict[int, bytes | None]:
        """The bytes of these blocks, None for one that is not there."""
        by_partition: dict[int, list[int]] = {}
        for number in numbers:
            by_partition.setdefault(partition_of(number, self.partitions), []).append(number)
        pipe = self.redis.pipeline(transaction=False)
        for partition, wanted in by_partition.items():
            pipe.hmget(keys.blocks(partition, book), [str(number) for number in wanted])
        found = await pipe.execute()
        return {
            number: data
            for wanted, page in zip(by_partition.values(), found, strict=True)
            for number, data in zip(wanted, page, strict=True)
        }

    async def index(self, book: str) -> dict[int, Ids]:
        """The IDs that the book holds, by block, in order of block.

        Raises ServerError if the index is damaged.
        """
        index: dict[int, Ids] = {}
        for partition in range(self.partitions):
            key = keys.index(partition, book)
            async for number, ids in self.redis.hscan_iter(key, count=1000):
                try:
                    index[int(number)] = parse_ids(text(ids))
                except ValueError as error:
                    raise ServerError(
                        f"{key} is damaged at field {text(number)[:40]!r}: {error}. Remove "
                        "that field (HDEL) and load its trades again"
                    ) from None
        return dict(sorted(index.items()))

    async def count(self, book: str) -> int:
        """How many trades the book holds."""
        return sum(len(ids) for ids in (await self.index(book)).values())

    async def pages(self, book: str, numbers: Sequence[int]) -> AsyncIterator[list[Block]]:
        """These blocks, decoded, some at a time and in the order given."""
        for start in range(0, len(numbers), PAGE):
            page = numbers[start : start + PAGE]
            found = await self.read(book, page)
            yield [decode_block(data) for number in page if (data := found[number]) is not None]

    async def trade(self, book: str, trade_id: int) -> dict[str, object] | None:
        """One trade as a mapping, or None if the book does not hold it."""
        number = trade_id // BLOCK_SIZE
        data = (await self.read(book, [number]))[number]
        if data is None:
            return None
        block = decode_block(data)
        if trade_id not in block.ids:
            return None
        return Trades(block.ids, block.columns).row(block.ids.index(trade_id))

    async def remove(self, book: str, trade_id: int) -> bool:
        """Take one trade out; False if it was not there."""
        number = trade_id // BLOCK_SIZE
        while True:
            data = (await self.read(book, [number]))[number]
            block = decode_block(data) if data is not None else _EMPTY
            if trade_id not in block.ids:
                return False
            call = self._put(book, number, without(block, trade_id), _hash(data))
            if await scripts.run_one(self.redis, call):
                return True

    async def drop(self, book: str) -> int:
        """Drop a whole book; return how many trades it held."""
        trades = await self.count(book)
        pipe = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            # Not pipe.unlink: in a cluster's pipeline that one sends by itself.
            pipe.execute_command("UNLINK", keys.blocks(partition, book))
            pipe.execute_command("UNLINK", keys.index(partition, book))
        pipe.srem(keys.books(), book)
        await pipe.execute()
        return trades

    async def _replace(self, book: str, whole: Mapping[int, Trades]) -> None:
        """Store whole blocks: there is nothing to read, as each of their trades is replaced."""
        await self._run([self._put(book, n, trades, _ANY) for n, trades in whole.items()])

    async def _upsert_once(self, book: str, todo: dict[int, Trades]) -> dict[int, Trades]:
        """Try to store each block; return those that somebody else changed under our hands."""
        stored = await self.read(book, list(todo))
        calls = []
        for number, trades in todo.items():
            data = stored[number]
            whole = merged(decode_block(data), trades) if data is not None else trades
            calls.append(self._put(book, number, whole, _hash(data)))
        done = await self._run(calls)
        return {n: t for (n, t), ok in zip(todo.items(), done, strict=True) if not ok}

    async def _run(self, calls: Sequence[scripts.Call]) -> list[int]:
        done = await scripts.run(self.redis, *calls)
        for result in done:
            if isinstance(result, Exception):
                raise result
        return done

    def _put(self, book: str, number: int, trades: Trades, expected: str) -> scripts.Call:
        partition = partition_of(number, self.partitions)
        ids = format_ids(np.asarray(trades.ids, dtype=np.int64))
        return scripts.Call(
            _PUT_BLOCK,
            [keys.blocks(partition, book), keys.index(partition, book)],
            [number, expected, encode_block(trades.ids, trades.columns) if ids else b"", ids],
        )


def _hash(data: bytes | None) -> str:
    """How ``put_block`` knows a block again; nothing rests on the strength of the hash."""
    return "" if data is None else sha1(data, usedforsecurity=False).hexdigest()
