"""Realtime calls answered by a consumer process: every call has its outcome (G1, G3, G5, G9)."""

import signal
import time
from pathlib import Path

import pytest
import redis

from engine import keys
from engine.blocks import from_rows
from engine.job import Job, Lane
from engine.roster import TIME_TO_LIVE
from tests.callers import REALTIME, Caller, trades
from tests.conftest import FreshServer
from tests.processes import Field, field_at, prices, synthetic
from tests.waiting import eventually

PLAIN, SLEEPY = "tests.pricers:plain", "tests.pricers:sleepy"


@pytest.mark.pain("older-azfinsim-realtime-is-work-in-progress")
def test_a_call_is_answered_with_its_price_and_its_times(field: Field) -> None:
    [consumer] = field.serve(*REALTIME)
    caller = Caller(field)
    [name] = caller.send([{"id": 14, "spot": 0.5}], PLAIN, seed=3)
    reply = caller.answered()[name]
    record = dict(reply.record)
    assert record.pop("ms") >= 0
    assert record == {"id": 14, "pv": 5.5, "attempts": 1, "outcome": "priced"}
    assert reply.consumer == consumer.serving()
    assert 0 <= reply.queued_ms < 20_000
    assert field.pending(consumer.serving(), Lane.REALTIME) == []
    assert field.backlog() == 0
    [presence] = field.living()
    assert presence.lanes == ["realtime"]
    assert consumer.end() == 0
    assert consumer.events("left")[0]["priced"] == 1


@pytest.mark.parametrize("algorithm", ["pvonly", "deltavega"])
def test_a_realtime_price_has_the_bits_of_a_jobs(field: Field, algorithm: str) -> None:
    """G3: alone, in batches, and in a process of its own because somebody had it before."""
    terms = trades(60)
    field.put(from_rows(terms, [int(str(trade["id"])) for trade in terms]))
    field.serve("--lane", "realtime,bulk", "--slots", "2")
    job = field.submit(Job("night", algorithm, seed=7, paths=200, chunk=30))
    assert field.done(job).well
    expected = prices(field.records(job))
    caller = Caller(field)
    for _ in range(2):  # The second time its pace is known, and they are priced together.
        assert prices(caller.price(terms, algorithm, seed=7, paths=200)) == expected
    with redis.Redis.from_url(field.url) as client:
        # As if it had been delivered to somebody who has died over it.
        fields = [asks_fields(caller, trade, algorithm) for trade in terms[:3]]
        for each in fields:
            client.xadd(keys.stream(0, Lane.REALTIME), each)
    replies = caller.answered()
    again = [dict(replies[str(each["call"])].record) for each in fields]
    assert prices(again) == expected[:3]
    assert {record["attempts"] for record in again} == {2}


def asks_fields(caller: Caller, trade: dict[str, object], algorithm: str) -> dict[str, bytes | str]:
    """A call as it stands in the stream after one attempt."""
    [ask] = caller.asks([trade], algorithm, seed=7, paths=200)
    return {
        "call": ask.call,
        "client": ask.client,
        "trade": ask.trade,
        "request": ask.request,
        "deadline": str(2**52),
        "spent": "1",
    }


def test_a_ladder_of_one_trade_is_priced_rung_by_rung(field: Field) -> None:
    """Trades of one ID, which are known by it where they are priced."""
    field.serve(*REALTIME, "--slots", "1")
    caller = Caller(field)
    for _ in range(3):
        records = caller.price([{"id": 7, "spot": n + 1} for n in range(200)], PLAIN)
        assert [record["pv"] for record in records] == [n + 2 for n in range(200)]


def test_what_cannot_be_priced_is_rejected_with_its_reason(field: Field) -> None:
    """G5: and its neighbours are priced."""
    field.serve(*REALTIME)
    caller = Caller(field)
    good = [{"id": n, "spot": 0.5} for n in range(20)]
    for algorithm, request, bad, words in (
        (PLAIN, {}, {"id": 5, "spot": -1}, "spot is -1: must be a number above 0"),
        (PLAIN, {}, {"id": 5}, "spot is missing"),
        ("pvonly", {}, {"id": 5, "spot": "dear"}, "spot is 'dear'"),
        ("nosuch", {}, {"id": 5}, "algorithm 'nosuch' is not known"),
        ("tests.pricers:bad_schema", {}, {"id": 5}, "is no pricer"),
        (
            "tests.pricers:raising",
            {"options": {"ids": [99], "error": "exit"}},
            {"id": 99, "spot": 1},
            "SystemExit: 3",
        ),
    ):
        *others, record = caller.price([*good, bad], algorithm, **request)
        assert record["outcome"] == "rejected"
        assert words in record["reason"]
        if algorithm.endswith(("plain", "raising")):
            assert {other["outcome"] for other in others} == {"priced"}


def test_a_call_past_its_deadline_is_answered_expired(field: Field) -> None:
    """G9: unpriced, when it is taken too late and when it has waited too long for a slot."""
    [consumer] = field.serve(*REALTIME, "--slots", "1")
    caller = Caller(field)
    caller.price([{"id": n, "spot": 1} for n in range(200)], PLAIN)  # for a quick pace
    consumer.send(signal.SIGSTOP)
    late = caller.send([{"id": 1, "spot": 1}], PLAIN, deadline=0.05)
    now = field.run(lambda grid: grid.calls.server_time(0))
    eventually(lambda: field.run(lambda grid: grid.calls.server_time(0)) > now + 0.1)
    consumer.send(signal.SIGCONT)
    assert caller.answered()[late[0]].record["outcome"] == "expired"

    slow = {"options": {"seconds": 1.0}}
    first, second = caller.send(
        [{"id": n, "spot": 1} for n in (1, 2)], SLEEPY, deadline=0.5, **slow
    )
    eventually(lambda: second in {reply.call for reply in caller.replies()}, 0.9, "told at once")
    replies = caller.answered()
    assert replies[first].record["outcome"] == "priced"
    assert replies[second].record["outcome"] == "expired"
    assert replies[second].queued_ms >= 500
    assert "its deadline passed" in replies[second].record["reason"]


def test_a_pricer_that_holds_the_gil_is_priced_in_a_process(field: Field) -> None:
    """G5, G9: nothing it does keeps the consumer from answering others."""
    [consumer] = field.serve(*REALTIME, "--slots", "2")
    caller, other = Caller(field), Caller(field)
    slow = {"options": {"seconds": 3.0}}
    caller.send([{"id": 1, "spot": 1}], "tests.pricers:slow", **slow)
    eventually(consumer.children, what="a slot process")
    assert other.price([{"id": n, "spot": 1} for n in range(50)], PLAIN)
    assert caller.replies() == []
    [record] = [reply.record for reply in caller.answered().values()]
    assert record["pv"] == 1 / 7 + 1


def test_a_process_that_outlasts_the_deadline_makes_room_for_others(field: Field) -> None:
    """G9: it is killed, as nobody waits for it any longer."""
    field.serve(*REALTIME, "--slots", "1")
    caller = Caller(field)
    slow = {"options": {"seconds": 60.0}}
    [record] = caller.price([{"id": 1, "spot": 1}], "tests.pricers:slow", deadline=1.0, **slow)
    assert record["outcome"] == "expired"
    [record] = caller.price([{"id": 1, "spot": 1}], "tests.pricers:gil")
    assert record["outcome"] == "priced"


@pytest.mark.parametrize("algorithm", ["tests.pricers:deadly", "tests.pricers:treacherous"])
def test_a_trade_that_kills_what_prices_it_is_dead(field: Field, algorithm: str) -> None:
    """G5: alone, with its reason, and before its deadline; one of two may take a consumer along."""
    field.serve(*REALTIME, "--slots", "1", count=2)
    caller, other = Caller(field), Caller(field)
    options = {"id": 37, "how": "kill"}
    [name] = caller.send([{"id": 37, "spot": 1}], algorithm, options=options)
    records = other.price([{"id": n, "spot": 1} for n in range(20)], PLAIN)
    assert {record["outcome"] for record in records} == {"priced"}
    record = caller.answered()[name].record
    assert (record["outcome"], record["attempts"]) == ("dead", 3)
    assert (
        record["reason"] == "given up after 3 attempts: the pricer's process was killed by SIGKILL"
    )
    alive = sum(consumer.process.poll() is None for consumer in field.consumers)
    assert alive == (2 if algorithm.endswith("deadly") else 1)


def test_a_call_is_left_to_those_who_have_its_pricer(field: Field, tmp_path: Path) -> None:
    """G1: and rejected by the last who lacks it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "house_pricer.py").write_text("from tests.pricers import plain\n")
    able = field.start(*REALTIME, "--slots", "1", cwd=home)
    field.start(*REALTIME, "--slots", "4", cwd=tmp_path).serving()
    able.serving()
    caller = Caller(field)
    terms = [{"id": n, "spot": 1} for n in range(30)]
    records = caller.price(terms, "house_pricer:plain")
    assert {record["outcome"] for record in records} == {"priced"}
    assert {reply.consumer for reply in caller.answered().values()} == {able.serving()}
    assert able.end() == 0
    # Two who lack it tell each other at once, and not when they next say that they live.
    field.start(*REALTIME, "--slots", "4", cwd=tmp_path).serving()
    began = time.monotonic()
    assert {r["outcome"] for r in caller.price(terms, "nobodys:pricer")} == {"rejected"}
    assert time.monotonic() - began < TIME_TO_LIVE / 4


def test_impatient_callers_wear_no_process_out(field: Field) -> None:
    """G9: a process that begins too late for one call is there for the next."""
    field.serve(*REALTIME, "--slots", "1")
    caller = Caller(field)
    # Python itself takes longer to begin.
    [first] = caller.send([{"id": 1, "spot": 1}], "tests.pricers:gil", deadline=0.02)
    assert caller.answered()[first].record["outcome"] == "expired"
    for _ in range(50):
        [name] = caller.send([{"id": 1, "spot": 1}], "tests.pricers:gil", deadline=0.02)
        if caller.answered()[name].record["outcome"] == "priced":
            return
    raise AssertionError("no call was answered in time")


def test_nobody_waits_for_what_may_be_deadly(field: Field) -> None:
    """G5: a call that was taken together with one that somebody had before, and never ends."""
    field.serve(*REALTIME, "--slots", "1")
    caller, hanging = Caller(field), "tests.vices:hanging"
    asked = {"options": {"ids": [999]}}
    for _ in range(2):  # The second time its pace is known.
        caller.price([{"id": n, "spot": 1} for n in range(200)], hanging, **asked)
    suspect, good = caller.asks(
        [{"id": 999, "spot": 1}, {"id": 1, "spot": 1}], hanging, deadline=5.0, **asked
    )
    deadline = field.run(lambda grid: grid.calls.server_time(0)) * 1000 + 5_000
    with redis.Redis.from_url(field.url) as client, client.pipeline() as both:
        for ask, spent in ((suspect, "1"), (good, "0")):
            fields = {"call": ask.call, "client": ask.client, "trade": ask.trade}
            more = {"request": ask.request, "deadline": str(int(deadline)), "spent": spent}
            both.xadd(keys.stream(0, Lane.REALTIME), {**fields, **more})
        both.execute()
    eventually(lambda: good.call in {reply.call for reply in caller.replies()}, 3, "a price")
    outcomes = {name: reply.record["outcome"] for name, reply in caller.answered().items()}
    assert (outcomes[suspect.call], outcomes[good.call]) == ("expired", "priced")


def test_hostile_bytes_are_answered_or_put_aside(field: Field) -> None:
    """G10: and nobody else's call suffers."""
    [consumer] = field.serve(*REALTIME)
    stream = keys.stream(0, Lane.REALTIME)
    caller = Caller(field)
    with redis.Redis.from_url(field.url) as client:
        client.set(keys.replies(0, "squatter"), "no stream")
        whole = asks_fields(caller, {"id": 1, "spot": 1.0}, PLAIN)
        client.xadd(stream, {**whole, "client": "squatter"})
        client.xadd(stream, {**whole, "client": "a}b"})
        client.xadd(stream, {b"\xff": b"\xff"})
        client.xadd(stream, {**whole, "spent": "many"})
        [reply] = caller.answered().values()
        assert reply.record["outcome"] == "rejected"
        eventually(lambda: client.xlen(stream) == 0, what="an empty stream")
        assert client.xlen(keys.unreadable(0)) == 3
    assert caller.price([{"id": 1, "spot": 1}], PLAIN)
    assert consumer.end() == 0


@pytest.mark.pain("celery#4028", "taskiq#302", "streaq#65")
def test_realtime_waits_for_no_bulk_work(field: Field) -> None:
    """G9: with every slot of a consumer in the middle of a chunk of 300 ms that holds the GIL."""
    field.fill(3000)
    field.serve("--lane", "realtime,high,bulk", "--slots", "2")
    bulk = field.submit(synthetic("bulk", 3.0, chunk=100))
    eventually(lambda: field.ended(bulk), what="a job in full swing")
    caller = Caller(field)
    for first in range(0, 200, 10):
        caller.price([{"id": first + n, "spot": 1} for n in range(10)], PLAIN)
    waits = sorted(reply.queued_ms for reply in caller.answered().values())
    assert field.ended(bulk) < 3000, "there was no bulk beside it"
    # Behind one chunk it would be 150 ms.
    assert waits[len(waits) // 2] < 50
    assert field.done(bulk, 60).well


def test_realtime_is_work_for_one_who_leaves_when_idle(field: Field) -> None:
    """Section 7."""
    consumer = field.start(*REALTIME, "--exit-when-idle", "0.5", "--slots", "1")
    consumer.serving()
    caller = Caller(field)
    slow = {"options": {"seconds": 1.0}}
    records = caller.price([{"id": 1, "spot": 1}], SLEEPY, **slow)
    assert records[0]["outcome"] == "priced"
    assert consumer.ended(5.0) == 0
    assert consumer.events("leaving")[0]["reason"] == "idle"


@pytest.mark.pain("taskiq-redis#65", "taskiq#658", "celery#8030", "celery#8091", "celery#10205")
def test_a_server_that_comes_back_is_served_on(fresh_server: FreshServer, tmp_path: Path) -> None:
    """G4: what was queued and what is asked after."""
    server = fresh_server(directory=tmp_path / "data", port=0, config={"appendfsync": "always"})
    with field_at(server.url, tmp_path) as field:
        [consumer] = field.serve(*REALTIME, "--slots", "1")
        caller = Caller(field)
        slow = {"options": {"seconds": 0.3}}
        caller.send([{"id": n, "spot": 1} for n in range(5)], SLEEPY, **slow)
        eventually(lambda: field.pending(consumer.serving(), Lane.REALTIME), what="one in hand")
        server.kill()
        server.start()
        caller.send([{"id": n, "spot": 1} for n in range(5)], PLAIN)
        outcomes = {reply.record["outcome"] for reply in caller.answered().values()}
        assert outcomes == {"priced"}
        assert consumer.end() == 0
