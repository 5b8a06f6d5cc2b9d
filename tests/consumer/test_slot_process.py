"""A slot's process: what it answers, how it is bounded, and what is told of one that is no more."""

import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from consumer import slot_memory
from consumer.slot_limit import price_in_time
from consumer.slot_process import PROGRAM, NotStarted, ProcessDied, SlotProcess, TookTooLong
from engine.chunk import Chunk
from engine.errors import UsageError
from engine.pricing.pricer import Request
from producer.generate import generate
from tests.engine.chunks import blocks_of, chunk, read, reasons
from tests.waiting import eventually, gone

BLOCKS = blocks_of(generate(1, 0, 300))

WARM_UP = 20.0
"""Seconds, on a machine that is busy with other tests."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What a consumer runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def slot() -> AsyncIterator[SlotProcess]:
    process = SlotProcess()
    yield process
    await process.stop()


@pytest.fixture
async def frugal() -> AsyncIterator[SlotProcess]:
    """One that may take 200 MB for pricing."""
    process = SlotProcess(memory=200)
    yield process
    await process.stop()


def work(ids: str, met: Sequence[int] = (), **options: Any) -> Chunk:
    return chunk(ids, BLOCKS, Request(options={"ids": list(met), **options}))


def children() -> list[psutil.Process]:
    """The slot processes that live."""
    return [p for p in psutil.Process().children() if PROGRAM[-1] in p.cmdline()]


@pytest.mark.parametrize("vice", ["hanging", "spinning"])
async def test_one_that_hangs_is_killed_and_says_where(slot: SlotProcess, vice: str) -> None:
    """G5: whether it holds the GIL or not."""
    await slot.price("tests.vices:hanging", work("0-9"))
    [process] = children()
    with pytest.raises(TookTooLong, match=r"took longer than 0\.2 s") as error:
        await slot.price(f"tests.vices:{vice}", work("0-9", [4]), 0.2)
    assert gone(process.pid)
    assert "vices.py" in error.value.traceback.splitlines()[1]
    assert "in price" in error.value.traceback.splitlines()[1]
    assert (await slot.price("tests.vices:hanging", work("0-9"))).priced == 10


async def test_what_it_has_started_ends_with_it(slot: SlotProcess, tmp_path: Path) -> None:
    """G5: it would hang about for ever."""
    told = tmp_path / "pid"
    with pytest.raises(TookTooLong):
        await slot.price("tests.vices:delegating", work("0", told=str(told)), 3.0)
    eventually(lambda: gone(int(told.read_text())), what="the end of its program")


async def test_a_new_process_has_time_to_begin() -> None:
    """Its first answer takes longer than the limit, for all that it has to load."""
    process = SlotProcess(warm_up=WARM_UP)
    try:
        assert (await process.price("pvonly", work("0-9"), 0.001)).priced == 10
        with pytest.raises(TookTooLong):
            await process.price("tests.vices:hanging", work("0", [0]), 0.001)
    finally:
        await process.stop()


async def test_one_that_crashes_says_where(slot: SlotProcess) -> None:
    with pytest.raises(ProcessDied, match="was killed by SIGSEGV") as error:
        await slot.price("tests.vices:crashing", work("0-9", [4]))
    assert error.value.traceback.startswith("Fatal Python error: Segmentation fault")
    assert "vices.py" in error.value.traceback


async def test_only_what_takes_too_long_is_given_up() -> None:
    """G5: the neighbours have the records that they have without it."""
    process = SlotProcess(warm_up=WARM_UP)
    try:
        chunk = work("90-110", [97, 104])
        await process.price("tests.vices:hanging", work("0"))
        whole = await process.price("tests.vices:hanging", work("90-110"))
        done = await price_in_time(process, "tests.vices:hanging", chunk, 0.6)
    finally:
        await process.stop()
    assert {trade: str(error) for trade, error in done.given_up.items()} == {
        97: "took longer than 0.6 s",
        104: "took longer than 0.6 s",
    }
    assert all("in price" in error.traceback for error in done.given_up.values())
    assert (done.priced.priced, done.priced.rejected, done.attempts) == (19, 0, 2)
    records = read(done.priced)
    assert [record["id"] for record in records] == list(range(90, 111))
    for record, expected in zip(records, read(whole), strict=True):
        if record["id"] in done.given_up:
            assert (record["outcome"], record["attempts"]) == ("dead", 2)
        else:
            assert {**record, "ms": 0, "attempts": 0} == {**expected, "ms": 0, "attempts": 0}


async def test_a_chunk_of_slow_trades_is_not_given_up() -> None:
    """All together they take longer than one may."""
    process = SlotProcess(warm_up=WARM_UP)
    try:
        await process.price("tests.vices:steady", work("0", seconds=0))
        [first] = children()
        slow = work("0-19", seconds=0.06)
        done = await price_in_time(process, "tests.vices:steady", slow, 1.0)
        assert gone(first.pid)
    finally:
        await process.stop()
    assert (done.priced.priced, dict(done.given_up)) == (20, {})


async def test_a_machine_may_lack_what_a_process_takes_for_a_while(slot: SlotProcess) -> None:
    """G4, G8: files, say; that is no fault of the chunk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        for times in (1, 2):
            with pytest.raises(NotStarted, match=r"cannot start a process: .*Too many open files"):
                await slot.price("tests.vices:hanging", work("0-9"))
            assert slot.not_started == times
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await slot.price("tests.vices:hanging", work("0-9"))).priced == 10
    assert slot.not_started == 0


async def test_cancelling_kills_it(slot: SlotProcess) -> None:
    """G7."""
    await slot.price("tests.vices:hanging", work("0"))
    [process] = children()
    with anyio.move_on_after(0.2) as scope:
        await slot.price("tests.vices:hanging", work("0", [0]), 60.0)
    assert scope.cancelled_caught
    assert gone(process.pid)


async def test_closing_ends_the_one_that_gets_ready_too() -> None:
    """G7: for callers who come later, though whoever asked has given up."""
    async with anyio.create_task_group() as tasks:
        slot = SlotProcess(warm_up=WARM_UP, tasks=tasks)
        await slot.begin("tests.vices:hanging")
        [process] = children()
        with pytest.raises(TookTooLong):
            await slot.price("tests.vices:hanging", work("0", [0]), 0.2)
        assert not gone(process.pid)
        await slot.close()
        assert gone(process.pid)


def test_where_memory_cannot_be_bounded_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match=r"--slot-memory: only Linux .* this is darwin: leave it"):
        slot_memory.check()
    assert slot_memory.left(1) == float("inf")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
class TestMemory:
    async def test_a_greedy_trade_is_rejected_alone(self, frugal: SlotProcess) -> None:
        """G5."""
        greedy = work("0-9", [4], megabytes=300)
        priced = await frugal.price("tests.vices:greedy", greedy)
        assert (priced.priced, priced.rejected) == (9, 1)
        [(trade, reason)] = reasons(read(priced)).items()
        assert trade == 4
        assert "MemoryError" in reason
        assert (await frugal.price("tests.vices:greedy", work("0-9", [4], megabytes=90))).priced

    async def test_what_others_left_behind_is_held_against_nobody(
        self, frugal: SlotProcess
    ) -> None:
        for _ in range(8):
            priced = await frugal.price("tests.vices:leaking", work("0-9", megabytes=60))
            assert priced.priced == 10

    async def test_our_own_pricers_make_do_with_the_least(self) -> None:
        process = SlotProcess(memory=slot_memory.LEAST)
        try:
            for algorithm in ("pvonly", "deltavega"):
                assert (await process.price(algorithm, chunk("0-99", BLOCKS))).priced == 100
        finally:
            await process.stop()
