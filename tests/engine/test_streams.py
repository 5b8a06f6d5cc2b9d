"""The steps by which an entry is taken, leased, settled and given back, one by one."""

from collections.abc import AsyncIterator, Mapping

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import OutOfMemoryError, ResponseError

from engine import group, keys, scripts
from engine.connection import Address
from engine.entry import Entry, Settlement, Unreadable, unfit
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.streams import is_damage
from tests.conftest import FreshServer
from tests.engine.queues import (
    COUNTS,
    JOB,
    RESULTS,
    STREAM,
    begin,
    one,
    pending,
    priced,
    queue,
    raw,
    reclaim,
    settle,
    take,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        await begin(grid)
        yield grid


@pytest.mark.pain("safe-decoder-service#329")
async def test_settling_takes_effect_once(grid: Grid) -> None:
    """G2: by the same consumer twice, in one batch and after it."""
    entry = await one(grid)
    assert await settle(grid, priced(entry), priced(entry)) == [1, 0]
    assert await settle(grid, priced(entry)) == [0]
    assert await raw(grid).hget(COUNTS, "priced") == b"3"
    assert await raw(grid).hgetall(RESULTS) == {b"0": b'{"id":0}'}
    assert await raw(grid).xlen(STREAM) == 0


async def test_results_and_counts_are_one_step(grid: Grid) -> None:
    """G1, G2: the script alone does both, so that whoever dies after sending it leaves neither."""
    entry = await one(grid)
    call = scripts.Call(
        scripts.Script("settle"),
        [STREAM, COUNTS, RESULTS, keys.dead(0, JOB.name)],
        [keys.GROUP, entry.entry_id, entry.epoch, JOB.expires_at, 2, 1, 0, 0, 0, 0, b'{"id":0}'],
    )
    assert await scripts.run_one(grid.redis, call) == 1
    assert await raw(grid).hmget(COUNTS, "priced", "rejected") == [b"2", b"1"]
    assert await raw(grid).hgetall(RESULTS) == {b"0": b'{"id":0}'}
    assert await raw(grid).xlen(STREAM) == 0


@pytest.mark.pain("taskiq-redis#123")
@pytest.mark.parametrize("first", ["a", "b"])
async def test_of_two_that_priced_an_entry_the_first_settles_it(grid: Grid, first: str) -> None:
    """G2: whether it was taken over from the one or not."""
    mine = await one(grid)
    _, [theirs] = await reclaim(grid, "b")
    assert isinstance(theirs, Entry)
    assert theirs.attempts == 2
    order = [mine, theirs] if first == "a" else [theirs, mine]
    assert await settle(grid, *map(priced, order)) == [1, 0]
    assert await raw(grid).hget(COUNTS, "priced") == b"3"
    assert await pending(grid) == []


@pytest.mark.parametrize("purpose", ["cancel", "resume"])
async def test_settling_for_a_past_epoch_has_no_effect(grid: Grid, purpose: str) -> None:
    """G2; and the entry is gone."""
    entry = await one(grid)
    await grid.jobs.fence(JOB, 0, "cancel" if purpose == "cancel" else "resume")
    assert await settle(grid, priced(entry)) == [-1]
    assert not await raw(grid).exists(RESULTS)
    assert await raw(grid).hget(COUNTS, "priced") is None
    assert await raw(grid).xlen(STREAM) == 0
    assert await settle(grid, priced(entry)) == [0]


async def test_results_of_one_block_stand_beside_each_other(grid: Grid) -> None:
    await queue(grid, "0", "1")
    first, second = await take(grid)
    await settle(grid, priced(first, {0: b"one"}), priced(second, {0: b"two", 1: b"three"}))
    assert await raw(grid).hgetall(RESULTS) == {b"0": b"one\ntwo", b"1": b"three"}


async def test_results_are_forgotten_with_the_job_though_nothing_was_priced(grid: Grid) -> None:
    """G8: whoever refuses a job that cannot be read does not know when it expires."""
    entry = await one(grid)
    assert await settle(grid, Settlement(entry, 0, {0: b"refused"}, rejected=3)) == [1]
    assert await raw(grid).pttl(RESULTS) == pytest.approx(await raw(grid).pttl(COUNTS), abs=5_000)


async def test_a_full_server_takes_back_but_settles_nothing(fresh_server: FreshServer) -> None:
    """G1, G7: the entry stays pending until there is room; it can be handed back meanwhile."""
    url = fresh_server().url
    async with open_grid(Address.parse(url)) as grid:
        await begin(grid)
        await queue(grid, "0-2", "3-5")
        entry, other = await take(grid)
        await raw(grid).config_set("maxmemory", "1")
        [result] = await settle(grid, priced(entry))
        assert isinstance(result, OutOfMemoryError)
        assert len(await pending(grid)) == 2
        with pytest.raises(OutOfMemoryError):
            await grid.streams.put_aside(unfit(other, "why"))
        assert len(await pending(grid)) == 2, "deleted though it could not be kept"
        await grid.streams.hand_back("a", [other])
        assert len(await pending(grid)) == 1
        await raw(grid).config_set("maxmemory", "0")
        assert not await raw(grid).exists(RESULTS)
        assert await settle(grid, priced(entry)) == [1]
        assert [e.ids for e in await take(grid)] == ["3-5"]


@pytest.mark.parametrize(
    ("key", "damage"), [(RESULTS, ("SET", "x")), (COUNTS, ("HSET", "priced", "many"))]
)
async def test_a_damaged_key_is_told_before_anything_is_written(
    grid: Grid, key: str, damage: tuple[str, ...]
) -> None:
    """G2, G10: Redis does not roll back, so the entry would settle again and again."""
    entry = await one(grid)
    command, *rest = damage
    await raw(grid).execute_command(command, key, *rest)
    before = await raw(grid).dump(RESULTS), await raw(grid).dump(COUNTS)
    [result] = await settle(grid, priced(entry))
    assert isinstance(result, ResponseError)
    assert is_damage(result)
    assert (await raw(grid).dump(RESULTS), await raw(grid).dump(COUNTS)) == before
    assert await pending(grid) == [("a", 1)]


async def test_a_time_of_expiry_that_is_none_does_not_settle_twice(grid: Grid) -> None:
    """G2, G10: it is the last thing that can fail."""
    entry = await one(grid)
    damaged = Settlement(entry, 2**63 - 1, {0: b"x"}, priced=3)
    assert await settle(grid, damaged, damaged) == [1, 0]


async def test_a_lost_entry_is_not_taken_back_by_renewing_it(grid: Grid) -> None:
    """G6."""
    await queue(grid, "0", "1", "2")
    kept, lost, settled = await take(grid)
    await reclaim(grid, "b")
    await raw(grid).xclaim(STREAM, keys.GROUP, "a", 0, [kept.entry_id, settled.entry_id])
    await settle(grid, priced(settled))
    gone = await grid.streams.renew("a", [kept, lost, settled])
    assert {entry.ids for entry in gone} == {"1", "2"}
    assert [owner for owner, _ in await pending(grid)] == ["a", "b"]


async def test_renewing_keeps_an_entry_and_costs_no_attempt(grid: Grid) -> None:
    """G6, G5."""
    entry = await one(grid)
    before = await pending(grid)
    await anyio.sleep(0.02)
    assert await grid.streams.renew("a", [entry]) == []
    assert await pending(grid) == before
    [now] = await raw(grid).xpending_range(STREAM, keys.GROUP, "-", "+", 1)
    assert now["time_since_delivered"] < 20


@pytest.mark.pain("asynq#1015", "CromwellOnAzure#451")
async def test_handing_back_happens_once_and_costs_no_attempt(grid: Grid) -> None:
    """G2, G5, G7: a call whose answer was lost is made again."""
    entry = await one(grid)
    await grid.streams.hand_back("a", [entry])
    await grid.streams.hand_back("a", [entry])
    [again] = await take(grid, "b")
    assert (again.ids, again.attempts) == ("0-2", 1)
    assert await settle(grid, priced(entry), priced(again)) == [0, 1]


async def test_a_suspect_that_is_handed_back_stays_one(grid: Grid) -> None:
    """G5: he who gives it back is not counted, those who had it before and did not end it are."""
    await one(grid)
    for _ in range(3):
        _, [suspect] = await reclaim(grid, "b")
    assert isinstance(suspect, Entry)
    assert (suspect.attempts, suspect.suspect) == (4, True)
    await grid.streams.hand_back("b", [suspect])
    [again] = await take(grid, "c")
    assert (again.delivered, again.attempts, again.suspect) == (4, 4, True)
    await grid.streams.hand_back("c", [again])
    [again] = await take(grid, "c")
    assert (again.delivered, again.attempts) == (4, 4), "nor has he used up an attempt"


async def test_splitting_happens_once(grid: Grid) -> None:
    """G2, G5: also when somebody else did it, or has settled it; and not for a past epoch."""
    entry = await one(grid)
    await grid.streams.replace("a", entry, ["0", "1-2"], 2)
    await grid.streams.replace("a", entry, ["0", "1-2"], 2)
    halves = await take(grid, "b")
    assert [(half.ids, half.attempts) for half in halves] == [("0", 3), ("1-2", 3)]
    await settle(grid, *map(priced, halves))
    await grid.streams.replace("b", halves[0], ["0"], 2)
    cancelled = await one(grid)
    await grid.jobs.fence(JOB, 0, "cancel")
    await grid.streams.hand_back("a", [cancelled])
    assert await raw(grid).xlen(STREAM) == 0


@pytest.mark.pain("docket#463", "docket#467")
async def test_a_kept_cursor_gets_past_a_window_of_good_leases(grid: Grid) -> None:
    """G4, G6: 3000 entries of a living consumer before those of a dead one."""
    await queue(grid, *map(str, range(3010)))
    assert len(await take(grid, "dead", 3010)) == 3010
    everything = await raw(grid).xrange(STREAM)
    living = [entry_id for entry_id, _ in everything[:3000]]
    await raw(grid).xclaim(STREAM, keys.GROUP, "dead", 0, living, idle=3_600_000)
    await anyio.sleep(0.06)
    await raw(grid).xclaim(STREAM, keys.GROUP, "living", 0, living, justid=True)

    found: list[Entry | Unreadable] = []
    cursor, calls = "0-0", 0
    while not found:
        cursor, found = await reclaim(grid, "b", lease_ms=50, cursor=cursor, count=20)
        calls += 1
        assert cursor != "0-0" or found, "the sweep ended without them"
    assert len(found) == 10
    assert calls > 10, "each call looks at a bounded stretch"
    assert all(isinstance(entry, Entry) and entry.attempts == 2 for entry in found)


async def test_the_dead_are_forgotten_once_they_hold_nothing(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1: and not before, nor is anybody who lives or may just be starting."""
    await grid.streams.ensure_groups([Lane.HIGH])
    await queue(grid, "0-2", "3")
    held = await take(grid, "dead", count=1)
    for name in ("dead too", "living"):
        await grid.streams.take(name, 0, [Lane.HIGH], 1, None)
    assert await grid.streams.tidy({"living"}, list(Lane)) == 0

    monkeypatch.setattr(group, "FORGOTTEN_AFTER", -1.0)
    assert await grid.streams.tidy({"living"}, list(Lane)) == 1
    assert await members(grid, Lane.BULK) == {"dead"}
    assert await members(grid, Lane.HIGH) == {"living"}
    await grid.streams.settle([Settlement(entry, 0, {}) for entry in held])
    assert await grid.streams.tidy({"living"}, list(Lane)) == 1
    assert await members(grid, Lane.BULK) == set()


async def members(grid: Grid, lane: Lane) -> set[str]:
    """The consumers that a group knows."""
    found = await raw(grid).xinfo_consumers(keys.stream(0, lane), keys.GROUP)
    return {each["name"].decode() for each in found}


@pytest.mark.pain("redis#9745")
async def test_nobody_leaves_with_entries_in_his_name(grid: Grid) -> None:
    """G1: his entries would be lost with him."""
    entry = await one(grid)
    await grid.streams.leave("a", [Lane.BULK])
    assert await members(grid, Lane.BULK) == {"a"}
    await settle(grid, priced(entry))
    await grid.streams.leave("a", [Lane.BULK])
    assert await members(grid, Lane.BULK) == set()


names = st.binary(max_size=6).filter(lambda name: not name.startswith(b"_"))


@given(st.dictionaries(names, st.binary(max_size=20), min_size=1, max_size=4))
# Each example begins with a stream that the one before has emptied.
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_message_can_be_taken_and_put_aside(
    grid: Grid, fields: Mapping[bytes, bytes]
) -> None:
    """G10: kept as it came, with the reason."""
    await raw(grid).xadd(STREAM, {**fields})
    [message] = await grid.streams.take("a", 0, [Lane.BULK], 10, None)
    assert isinstance(message, Unreadable)
    await grid.streams.put_aside(message)
    assert await pending(grid) == []
    assert await raw(grid).xlen(STREAM) == 0
    [(_, kept)] = await raw(grid).xrevrange(keys.unreadable(0), count=1)
    assert kept.items() >= fields.items()
    assert kept[b"_why"] == message.reason.encode()


async def test_a_lost_group_is_made_again(grid: Grid) -> None:
    """G4: a server that has lost its data."""
    entry = await one(grid)
    await raw(grid).flushall()
    assert await settle(grid, priced(entry)) == [0]
    assert await grid.streams.renew("a", [entry]) == [entry]
    assert await reclaim(grid, "a") == ("0-0", [])
    await grid.streams.hand_back("a", [entry])
    await grid.streams.leave("a", [Lane.BULK])
    assert await take(grid) == []
    await begin(grid)
    assert (await one(grid)).ids == "0-2"
