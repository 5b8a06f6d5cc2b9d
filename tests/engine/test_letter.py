"""Dead letters: written when a trade is settled as dead, read and purged afterwards."""

from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import keys
from engine.connection import Address
from engine.entry import Chunks, Entry, Settlement
from engine.errors import ServerError
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from engine.letter import MOST_TRACEBACK, Letter
from engine.pricing.reasons import MAX_REASON

JOB = Job("night", "synthetic", expires_at=2**33)
DEAD = keys.dead(0, JOB.name)

texts = st.text(st.characters(codec="utf-8"), max_size=200)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def entry(redis_url: str) -> AsyncIterator[tuple[Grid, Entry]]:
    """A grid, and an entry of three trades."""
    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.jobs.create(JOB)
        await grid.streams.ensure_groups([Lane.BULK])
        [standing] = await grid.jobs.standings(JOB)
        await grid.streams.enqueue(JOB, Chunks(0, standing.epoch, 0, 3, ["0-2"], {}), "me")
        [taken] = await grid.streams.take("a", 0, [Lane.BULK], 10, None)
        assert isinstance(taken, Entry)
        yield grid, taken


def letters(*trades: int) -> list[Letter]:
    return [Letter(trade, f"reason {trade}", 3, "a", "line 1\nline 2") for trade in trades]


def settlement(entry: Entry, *trades: int) -> Settlement:
    records = {0: b'{"id":0}'}
    return Settlement(entry, JOB.expires_at, records, 3 - len(trades), letters=letters(*trades))


@given(st.integers(0, 2**53), texts, st.integers(0, 2**32), texts, texts)
def test_a_letter_comes_out_as_it_went_in(
    trade: int, reason: str, attempts: int, consumer: str, traceback: str
) -> None:
    letter = Letter(trade, reason, attempts, consumer, traceback)
    assert Letter.from_json(letter.to_json()) == letter


def test_a_letter_is_bounded() -> None:
    """G8, and G10: a pricer may raise with a page of text that is none."""
    letter = Letter(1, "\ud800" * 1000, 3, "a", "\ud800" * 10_000)
    read = Letter.from_json(letter.to_json())
    assert read.reason == "?" * MAX_REASON
    assert read.traceback == "?" * MOST_TRACEBACK


@given(st.binary(max_size=30) | st.recursive(st.none() | st.text(), st.lists).map(orjson.dumps))
def test_what_is_no_letter_is_told(data: bytes) -> None:
    """G10."""
    with pytest.raises(ValueError, match=r"."):
        Letter.from_json(data)


async def test_they_are_written_with_the_results_once(entry: tuple[Grid, Entry]) -> None:
    """G2."""
    grid, taken = entry
    assert await grid.streams.settle([settlement(taken, 0, 2)] * 2) == [1, 0]
    assert await grid.letters.of(JOB.name) == letters(0, 2)
    assert await grid.letters.counts(["day", JOB.name]) == [0, 2]
    counts = (await grid.jobs.progress(JOB)).counts
    assert (counts.dead, counts.priced) == (2, 1)
    assert await grid.redis.expiretime(DEAD) == JOB.expires_at


async def test_a_past_epoch_leaves_none(entry: tuple[Grid, Entry]) -> None:
    """G2."""
    grid, taken = entry
    await grid.jobs.fence(JOB, 0, "resume")
    assert await grid.streams.settle([settlement(taken, 0)]) == [-1]
    assert not await grid.redis.exists(DEAD)


async def test_a_damaged_key_is_told_before_anything_is_written(
    entry: tuple[Grid, Entry],
) -> None:
    """G2, G10."""
    grid, taken = entry
    await grid.redis.set(DEAD, "x")
    [result] = await grid.streams.settle([settlement(taken, 0)])
    assert "WRONGTYPE" in str(result)
    assert not await grid.redis.exists(keys.results(0, JOB.name))
    assert (await grid.jobs.progress(JOB)).counts.dead == 0


async def test_many_in_one_entry(entry: tuple[Grid, Entry]) -> None:
    grid, taken = entry
    assert await grid.streams.settle([settlement(taken, *range(10_000))]) == [1]
    assert await grid.letters.counts([JOB.name]) == [10_000]


async def test_some_are_purged(entry: tuple[Grid, Entry]) -> None:
    grid, taken = entry
    await grid.streams.settle([settlement(taken, 0, 1, 2)])
    assert await grid.letters.purge(JOB.name, [0, 2, 7]) == 2
    assert await grid.letters.of(JOB.name) == letters(1)
    assert await grid.letters.purge(JOB.name, []) == 0


@pytest.mark.parametrize(
    ("trade", "data"), [(b"1", b"what?"), (b"\xff", b"{}"), (b"2", letters(1)[0].to_json())]
)
async def test_hostile_letters_are_told(
    entry: tuple[Grid, Entry], trade: bytes, data: bytes
) -> None:
    """G10."""
    grid, _ = entry
    await grid.redis.hset(DEAD, trade, data)
    with pytest.raises(ServerError, match="dead letters of job night cannot be read"):
        await grid.letters.of(JOB.name)
