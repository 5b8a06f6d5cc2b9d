"""Generators: what they count, what they measure, and what becomes of one that dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import keys
from engine.call import Call, Moved, Reply
from engine.calls import REPLIES_KEPT
from engine.connection import Address
from engine.entry import Unreadable
from engine.errors import UsageError
from engine.grid import open_grid
from engine.job import Lane
from loadtest.generator import sender
from loadtest.generator.alarm import Alarm
from loadtest.generator.calls import Prepared, prepared
from loadtest.generator.exchanges import MOST_EXCHANGES, Exchanges
from loadtest.generator.ledger import GRACE, Ledger, Made
from loadtest.generator.meeting import Meeting, latest
from loadtest.generator.process import generate_load
from loadtest.generator.sender import MOST_AT_ONCE, Course, Sender
from loadtest.generator.tally import News, Tally, total
from loadtest.run.round import Round
from loadtest.scenario import RealtimePart
from loadtest.scenario_wire import to_wire
from producer.client import connect
from tests.loadtest.rounds import answering, measured, scenario
from tests.producer.responders import ended, priced

DEADLINE = 2.0

TERMS = Prepared(b"{}", b"{}")


def ledger() -> Ledger:
    return Ledger(DEADLINE, interval=0.5)


def made(book: Ledger, name: str, plan: float, *, sent: bool = True) -> Made:
    """A call that was made at its time, and queued."""
    call = Made(name, plan, TERMS)
    book.due(call, plan)
    if sent:
        assert book.may_send(call, plan)
        book.queued(call, f"{name}-0", plan)
    return call


def reply(name: str, outcome: str = "priced", ms: float = 3.0) -> Reply:
    return Reply(name, {"id": 1, "outcome": outcome, "ms": ms}, "somebody", 2.0)


def summed(book: Ledger) -> Tally:
    return total(tally for number, tally in book.taken(10**6) if number >= 0)


def test_a_price_counts_from_its_plan_and_in_its_parts() -> None:
    book = ledger()
    made(book, "0-1", 1.0)
    book.answer(reply("0-1"), 1.010)
    tally = summed(book)
    assert (tally.planned, tally.sent, tally.priced, tally.late) == (1, 1, 1, 0)
    assert tally.latency.percentile(100) == pytest.approx(0.010, rel=0.001)
    assert tally.queue.percentile(100) == pytest.approx(0.002, rel=0.001)
    assert tally.price.percentile(100) == pytest.approx(0.003, rel=0.001)
    assert tally.return_.percentile(100) == pytest.approx(0.005, rel=0.001)


def test_a_late_sender_makes_calls_slow_and_says_so() -> None:
    book = ledger()
    call = Made("0-1", 1.0, TERMS)
    book.due(call, 1.3)
    assert book.may_send(call, 1.3)
    book.answer(reply("0-1"), 1.301)
    tally = summed(book)
    assert tally.late == 1
    assert tally.lateness.percentile(100) == pytest.approx(0.3, rel=0.001)
    assert tally.latency.percentile(100) == pytest.approx(0.301, rel=0.001)


@pytest.mark.parametrize(
    ("outcome", "error", "seconds"),
    [
        ("rejected", "Rejected", 0.01),
        ("dead", "Dead", 0.01),
        ("expired", "Expired", DEADLINE),
        ("cancelled", "Cancelled", DEADLINE),
    ],
)
def test_a_call_without_a_price_is_no_quick_one(outcome: str, error: str, seconds: float) -> None:
    book = ledger()
    made(book, "0-1", 1.0)
    book.answer(reply("0-1", outcome), 1.01)
    tally = summed(book)
    assert tally.errors == {error: 1}
    assert tally.latency.percentile(100) == pytest.approx(seconds, rel=0.001)
    assert not len(tally.price)


def test_a_call_that_nobody_answers_times_out_and_is_lost_unless_told_of() -> None:
    book = ledger()
    calls = [made(book, f"0-{number}", 1.0) for number in range(4)]
    book.give_up_late(1.0 + DEADLINE + GRACE / 2)
    assert len(book.waiting) == 4
    book.give_up_late(1.0 + DEADLINE + 2 * GRACE)
    assert not book.waiting
    # One is answered late, one is taken back, one was moved and is lost like the last.
    book.answer(reply("0-0"), 4.0)
    book.withdrawn([calls[1]])
    book.move(Moved("0-2", "0-2-0", "9-9"))
    book.close(5.0)
    tally = summed(book)
    assert calls[2].entry_id == "9-9"
    assert (tally.errors, tally.priced, tally.lost) == ({"TimedOut": 4}, 0, 2)
    assert tally.latency.percentile(1) >= DEADLINE


def test_a_call_that_was_never_queued_is_not_lost() -> None:
    book = ledger()
    call = made(book, "0-1", 1.0, sent=False)
    assert book.may_send(call, 1.0)
    book.give_up_late(9.0)
    book.close(9.0)
    tally = summed(book)
    assert (tally.errors, tally.lost, tally.sent) == ({"TimedOut": 1}, 0, 0)


def test_a_call_that_cannot_be_sent_in_time_is_an_error_but_not_if_it_was_tried() -> None:
    book = ledger()
    unsent, tried = Made("0-1", 1.0, TERMS), Made("0-2", 1.0, TERMS)
    assert book.may_send(tried, 1.0)
    for call in (unsent, tried):
        assert not book.may_send(call, 1.0 + DEADLINE)
    tally = summed(book)
    assert (tally.dropped, tally.errors) == (1, {"Unsent": 1})
    assert tally.latency.percentile(100) == pytest.approx(DEADLINE, rel=0.001)


async def test_what_still_waits_behind_full_exchanges_at_the_end_is_an_error(
    redis_url: str,
) -> None:
    book = ledger()
    async with open_grid(Address.parse(redis_url)) as grid:
        post = Exchanges(grid, Course(time.perf_counter() - 60, book))
        calls = [Made(f"0-{n}", 1.0, TERMS) for n in range((MOST_EXCHANGES + 1) * MOST_AT_ONCE)]
        for at in range(0, len(calls), MOST_AT_ONCE):
            post.send(calls[at : at + MOST_AT_ONCE])
        # Not one exchange has had the time to begin.
        post.course.ended = True
        await post.leave()
    assert post.unsent() == 0
    assert summed(book).errors["Unsent"] == len(calls)


def test_no_more_calls_are_open_than_answers_are_kept() -> None:
    book = ledger()
    for number in range(REPLIES_KEPT):
        made(book, f"0-{number}", 1.0)
    one_more = Made("0-x", 1.0, TERMS)
    assert not book.may_send(one_more, 1.0)
    assert summed(book).errors == {"Busy": 1}


def test_the_warm_up_counts_in_nothing_else() -> None:
    book = ledger()
    made(book, "0-1", -0.2)
    made(book, "0-2", -0.1)
    book.answer(reply("0-1"), -0.1)
    book.answer(reply("0-2"), 0.4)
    told = dict(book.taken(10))
    assert told[-1].priced == 1
    assert 0 not in told


counts = st.integers(0, 2**40)
times = st.lists(st.floats(1e-6, 100), max_size=5)


@given(planned=counts, lost=counts, errors=st.dictionaries(st.text(), counts), latency=times)
def test_news_survive_their_way(
    planned: int, lost: int, errors: dict[str, int], latency: list[float]
) -> None:
    tally = Tally(planned=planned, lost=lost, errors=Counter(errors))
    for seconds in latency:
        tally.latency.record(seconds)
    news = News("me-1", -3, tally, 0.5, ended=True)
    read = News.from_json(news.to_json())
    assert (read.generator, read.interval, read.cpu, read.ended) == ("me-1", -3, 0.5, True)
    assert read.tally.to_json() == tally.to_json()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"tally": {"sent": -1}}', b'{"tally": {"latency": "x"}}']
)
def test_what_is_no_news_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever words
        News.from_json(data)


def test_the_mix_is_kept_and_is_the_same_each_time() -> None:
    part = scenario(realtime__mix={"european": 80, "pvonly": 20}).realtime
    assert part is not None
    calls = prepared(part, seed=3)
    drawn = [next(calls) for _ in range(5000)]
    again = prepared(part, seed=3)
    assert drawn == [next(again) for _ in range(5000)]
    share = sum(b'"european"' in call.request for call in drawn) / len(drawn)
    assert share == pytest.approx(0.8, abs=0.02)


async def test_two_clients_measure_the_same_latency(redis_url: str, tmp_path: Path) -> None:
    """The median of a known delay, as another client finds it by hand, to 5 %."""
    delay = 0.1
    async with answering(redis_url, lambda _now: delay):
        round_ = await measured(redis_url, tmp_path, scenario(realtime__rate=50, seconds=2))
        by_hand = []
        async with connect(redis_url) as client:
            for _ in range(15):
                began = time.perf_counter()
                await client.price({"spot": 1.0}, algorithm="european")
                by_hand.append(time.perf_counter() - began)
    realtime = round_.realtime()
    assert realtime is not None
    assert (realtime.planned, realtime.priced, realtime.errors) == (100, 100, {})
    assert realtime.latency.p50 == pytest.approx(sorted(by_hand)[7], rel=0.05)
    assert realtime.latency.p50 == pytest.approx(delay, rel=0.1)
    # As the responder says, whatever it has really taken.
    assert realtime.queue.p50 == pytest.approx(0.0005, rel=0.01)
    assert realtime.price.p50 == pytest.approx(0.00025, rel=0.01)


async def test_a_stall_is_seen_by_all_who_would_have_called(redis_url: str, tmp_path: Path) -> None:
    """A closed loop would have one slow call; here a third of them waits through the stall."""
    stall, rate, warm_up = 1.0, 100, 0.5
    taken = 0
    over: list[float] = []

    def answer(call: Call) -> Reply | None:
        nonlocal taken
        taken += 1
        return priced(call)

    def delay(now: float) -> float:
        # It begins half a second into the measurement, however long that took to begin.
        if taken >= rate * (warm_up + 0.5) and not over:
            over.append(now + stall)
        return max(0.0, over[0] - now) if over else 0.0

    async with answering(redis_url, delay, answer) as grid:
        wanted = scenario(realtime__rate=rate, seconds=2.5, warm_up=warm_up)
        made_ = await measured(redis_url, tmp_path, wanted)
        assert await grid.redis.xlen(keys.stream(0, Lane.REALTIME)) == 0
    realtime = made_.realtime()
    assert realtime is not None
    assert realtime.latency.max is not None
    assert realtime.latency.max > 0.7 * stall
    assert realtime.latency.p90 is not None
    assert realtime.latency.p90 > 0.3 * stall
    assert realtime.priced == realtime.planned == 250


async def test_two_generators_share_the_calls(redis_url: str, tmp_path: Path) -> None:
    seen: set[int] = set()

    def answer(call: Call) -> Reply | None:
        seen.add(int(call.trade["id"]))
        return priced(call)

    async with open_grid(Address.parse(redis_url), partitions=3):
        pass  # It is made, and stays so.
    async with answering(redis_url, answer=answer) as grid:
        wanted = scenario(realtime__rate=100, seconds=1, realtime__generators=2)
        made_ = await measured(redis_url, tmp_path, wanted)
        left = [key async for key in grid.redis.scan_iter("az:*loadtest*")]
    realtime = made_.realtime()
    assert realtime is not None
    assert (realtime.planned, realtime.priced, realtime.generators) == (100, 100, 2)
    assert made_.verdict().met
    assert left == []
    # All from different places of one stream of trades, not twice the same.
    assert len(seen) > 80


async def test_a_generator_may_join_from_elsewhere(redis_url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "AZFINSIM_REDIS_URL": redis_url}
    joining: list[subprocess.Popen[bytes]] = []

    def invite(text: str) -> None:
        assert "azfinsim loadtest join load-" in text
        command = [sys.executable, "-m", "loadtest", "join"]
        joining.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))

    wanted = scenario(realtime__rate=50, seconds=1, realtime__generators=0, realtime__join=1)
    async with answering(redis_url):
        made_ = await measured(redis_url, tmp_path, wanted, tell=invite)
    [joined] = joining
    _, said = joined.communicate(timeout=30)
    assert (joined.returncode, b"sends 1 of 1 shares" in said) == (0, True), said
    realtime = made_.realtime()
    assert realtime is not None
    assert (realtime.planned, realtime.priced) == (50, 50)


async def test_a_generator_that_dies_is_told_and_what_it_told_counts(
    redis_url: str, tmp_path: Path
) -> None:
    killed: list[str] = []

    def kill(round_: Round) -> None:
        if round_.now() > 0.6 and not killed:
            killed.append(round_.collector.generators[0])
            os.kill(int(killed[0].rpartition("-")[2]), signal.SIGKILL)

    async with answering(redis_url):
        wanted = scenario(realtime__rate=100, seconds=2, realtime__generators=2)
        made_ = await measured(redis_url, tmp_path, wanted, on_look=kill)
    realtime, verdict = made_.realtime(), made_.verdict()
    assert realtime is not None
    assert 100 <= realtime.priced < 190
    assert any(killed[0] in warning for warning in verdict.warnings)
    assert "ended with code -9" in " ".join(verdict.warnings)
    # Nothing was asked for, but half of the calls were not made: nobody knows what came of them.
    assert realtime.planned == 200
    assert not verdict.met
    assert "calls were made" in (verdict.ended_early or "")


async def test_a_generator_that_dies_before_its_first_call_is_no_test_passed(
    redis_url: str, tmp_path: Path
) -> None:
    def kill(round_: Round) -> None:
        for name in round_.collector.generators if round_.now() < 0 else ():
            with suppress(ProcessLookupError):
                os.kill(int(name.rpartition("-")[2]), signal.SIGKILL)

    async with answering(redis_url):
        wanted = scenario(realtime__rate=10, seconds=1, warm_up=0)
        made_ = await measured(redis_url, tmp_path, wanted, on_look=kill)
    realtime, verdict = made_.realtime(), made_.verdict()
    assert realtime is not None
    assert (realtime.planned, realtime.priced, verdict.met) == (10, 0, False)
    assert "only 0 of 10 calls were made" in (verdict.ended_early or "")


async def test_errors_are_counted_by_their_names(redis_url: str, tmp_path: Path) -> None:
    calls: list[Call] = []
    reject = ended("rejected", "bad")

    def answer(call: Call) -> Reply | None:
        calls.append(call)
        return reject(call) if len(calls) % 2 == 0 else priced(call)

    async with answering(redis_url, answer=answer):
        wanted = scenario(realtime__rate=50, seconds=1, objectives=["realtime.errors = 0"])
        made_ = await measured(redis_url, tmp_path, wanted)
    realtime = made_.realtime()
    assert realtime is not None
    assert set(realtime.errors) == {"Rejected"}
    assert realtime.errors["Rejected"] == pytest.approx(25, abs=2)
    assert not made_.verdict().met


class Sleeping(Alarm):
    """Needs no signal, which the tests' own timeout uses."""

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def test_calls_that_nobody_answers_are_lost_and_those_that_nobody_takes_are_taken_back(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LAST_ANSWERS", 0.3)
    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.calls.ensure_groups([Lane.REALTIME])
        course = Course(time.perf_counter() + 0.05, Ledger(0.5, interval=0.5))
        asked = prepared(RealtimePart(mix={"european": 1}), 0)
        planned = iter([0.01 * number for number in range(20)])
        post = Exchanges(grid, course)
        sending = asyncio.create_task(Sender(course, post).run(planned, asked, Sleeping()))
        # Somebody takes some of them and says nothing more.
        silent: list[Call | Unreadable] = []
        while len(silent) < 5:
            silent += await grid.calls.take("silent", 0, [Lane.REALTIME], 5 - len(silent), 100)
        await sending
        left = await grid.redis.xlen(keys.stream(0, Lane.REALTIME))
    tally = total(each for _, each in course.ledger.taken(10**6))
    assert (tally.planned, tally.sent, tally.errors) == (20, 20, {"TimedOut": 20})
    assert (tally.lost, left) == (5, 5)
    assert tally.latency.percentile(50) >= 0.5


async def test_who_joins_what_is_not_there_is_told_so(redis_url: str) -> None:
    with pytest.raises(UsageError, match="no load test waits for generators"):
        await generate_load(Address.parse(redis_url), None, lambda _text: None)
    with pytest.raises(UsageError, match="there is no load test 'x'"):
        await generate_load(Address.parse(redis_url), "x", lambda _text: None)


async def test_a_meeting_is_found_and_leaves_nothing(redis_url: str) -> None:
    async with open_grid(Address.parse(redis_url)) as grid:
        meeting = Meeting(grid.redis, "here")
        await meeting.open(to_wire(scenario()))
        assert await latest(grid.redis) == "here"
        await meeting.join("one-1")
        await meeting.tell([News("one-1", 0, Tally(sent=3), 0.0)])
        _, [news] = await meeting.news("0")
        assert news.tally.sent == 3
        ttls = [await grid.redis.ttl(key) async for key in grid.redis.scan_iter("az:*loadtest*")]
        assert len(ttls) == 4
        assert all(0 < ttl <= 60 for ttl in ttls)
        assert not await meeting.stopped()
        await meeting.close()
        # Whoever still sends must hear that nobody listens.
        assert await meeting.stopped()
        assert [key async for key in grid.redis.scan_iter("az:*loadtest*")] == []
