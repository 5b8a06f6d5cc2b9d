"""Books in Redis: what is put in is there, once, whoever else writes."""

from collections.abc import AsyncIterator

import anyio
import pytest
from redis.exceptions import OutOfMemoryError

from engine import keys
from engine.blocks import Trades
from engine.cache import Cache
from engine.codec import decode_block
from engine.connection import Address
from engine.errors import ServerError
from engine.grid import Grid, open_grid
from engine.ids import BLOCK_SIZE
from tests.conftest import FreshServer

BOOK = "night"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[1, 3])
async def grid(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Grid]:
    """An empty grid of one partition, or of three."""
    async with open_grid(Address.parse(redis_url), partitions=request.param) as grid:
        yield grid


def trades(*ids: int, a: object = None) -> Trades:
    return Trades(ids, {"a": [i if a is None else a for i in ids]})


async def held(cache: Cache, book: str = BOOK) -> dict[int, object]:
    """What the book holds: each trade's field ``a``; and is its index right?"""
    index = await cache.index(book)
    blocks = [block async for page in cache.pages(book, list(index)) for block in page]
    found: dict[int, object] = {}
    for (number, ids), block in zip(index.items(), blocks, strict=True):
        assert list(block.ids) == ids.tolist()
        assert {i // BLOCK_SIZE for i in block.ids} == {number}
        found |= dict(zip(block.ids, block.columns["a"], strict=True))
    assert await cache.count(book) == len(found)
    return found


async def test_trades_are_there_by_id_in_order_and_replaced(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, trades(250, 3, 7, 2**53))
    await grid.cache.upsert(BOOK, trades(7, 8, 7, a="new"))
    assert await held(grid.cache) == {3: 3, 7: "new", 8: "new", 250: 250, 2**53: 2**53}
    assert await grid.cache.books() == [BOOK]
    assert await grid.cache.trade(BOOK, 8) == {"id": 8, "a": "new"}
    assert await grid.cache.trade(BOOK, 9) is None
    assert await grid.cache.trade(BOOK, 999) is None


async def test_whole_blocks_replace_what_was_there(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, trades(BLOCK_SIZE, 2 * BLOCK_SIZE, a="old"))
    ids = range(50, 2 * BLOCK_SIZE + 50)
    await grid.cache.upsert(BOOK, trades(*ids))
    assert await held(grid.cache) == {i: i for i in ids}


async def test_many_pages_go_in_at_once(grid: Grid) -> None:
    ids = range(0, 500 * BLOCK_SIZE, 25)
    await grid.cache.upsert(BOOK, trades(*ids))
    assert await held(grid.cache) == {i: i for i in ids}


async def test_no_trades_make_an_empty_book(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, Trades([], {}))
    assert await grid.cache.books() == [BOOK]
    assert await held(grid.cache) == {}


async def test_writers_at_the_same_time_lose_nothing(grid: Grid, redis_url: str) -> None:
    """Each adds its own trades one by one to blocks that all of them write, and takes one out."""
    writers = 6
    await grid.cache.upsert(BOOK, trades(*range(1000, 1000 + writers)))

    async def write(writer: int) -> None:
        async with open_grid(Address.parse(redis_url)) as own:
            for i in range(writer, 2 * BLOCK_SIZE, writers):
                await own.cache.upsert(BOOK, trades(i))
            assert await own.cache.remove(BOOK, 1000 + writer)

    async with anyio.create_task_group() as group:
        for writer in range(writers):
            group.start_soon(write, writer)
    assert await held(grid.cache) == {i: i for i in range(2 * BLOCK_SIZE)}


async def test_a_trade_is_taken_out_and_with_the_last_one_its_block(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, trades(1, 2))
    assert not await grid.cache.remove(BOOK, 3)
    assert not await grid.cache.remove(BOOK, 333)
    assert await grid.cache.remove(BOOK, 1)
    assert await held(grid.cache) == {2: 2}
    assert await grid.cache.remove(BOOK, 2)
    assert await held(grid.cache) == {}
    assert not await grid.redis.exists(keys.blocks(0, BOOK), keys.index(0, BOOK))


async def test_a_dropped_book_leaves_nothing_and_its_neighbours_alone(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, trades(*range(0, 1000, 7)))
    await grid.cache.upsert("other", trades(5))
    assert await grid.cache.drop(BOOK) == len(range(0, 1000, 7))
    assert await grid.cache.books() == ["other"]
    assert await held(grid.cache, "other") == {5: 5}
    left = {key.decode() async for key in grid.redis.scan_iter("*")}
    assert not [key for key in left if BOOK in key]


async def test_blocks_that_are_not_there_are_none(grid: Grid) -> None:
    await grid.cache.upsert(BOOK, trades(5))
    found = await grid.cache.read(BOOK, [0, 1, 2])
    assert found[0] is not None
    assert list(decode_block(found[0]).ids) == [5]
    assert (found[1], found[2]) == (None, None)


async def test_what_is_whole_of_a_damaged_block_is_kept(grid: Grid) -> None:
    await grid.redis.hset(keys.blocks(0, BOOK), "0", b'["id","a"]\n[1,1]\nrubbish\n[2,2]')
    await grid.cache.upsert(BOOK, trades(3))
    assert await held(grid.cache) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize(("number", "ids"), [("0", b"\xff"), ("0", b"5-1"), ("x", b"1")])
async def test_a_damaged_index_is_told(grid: Grid, number: str, ids: bytes) -> None:
    await grid.redis.hset(keys.index(0, BOOK), number, ids)
    with pytest.raises(ServerError, match="index is damaged at field"):
        await grid.cache.index(BOOK)


async def test_a_full_server_refuses_and_keeps_its_blocks_whole(fresh_server: FreshServer) -> None:
    server = fresh_server(config={"maxmemory": "8mb"})
    async with open_grid(Address.parse(server.url)) as grid:
        with pytest.raises(OutOfMemoryError):
            await grid.cache.upsert(BOOK, Trades(range(20_000), {"a": ["x" * 1000] * 20_000}))
        index = await grid.cache.index(BOOK)
        assert 0 < len(index) < 200
        for number, data in (await grid.cache.read(BOOK, list(index))).items():
            assert data is not None
            assert list(decode_block(data).ids) == index[number].tolist()
