"""Jobs priced by a consumer process: every trade has its outcome (G1, G5, G9)."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from engine import keys
from engine.blocks import Trades
from engine.job import Job, Lane
from producer.generate import generate
from tests.processes import Field, field_at, prices, synthetic
from tests.waiting import eventually, gone


def test_all_outcomes_add_up(field: Field) -> None:
    """G1, G5: bad trades, missing ones and failures, in a job of 2,000."""
    good = generate(1, 0, 1900)
    vols = list(good.columns["vol"])
    vols[7] = -1.0
    field.put(Trades(good.ids, {**good.columns, "vol": vols}))
    field.serve()
    job = field.submit(
        Job("night", "pvonly", trades="0:2000", paths=10, failure=0.01, chunk=130, seed=5)
    )
    counts = field.done(job).counts
    assert counts.submitted == 2000
    assert counts.priced + counts.rejected == 2000
    records = field.records(job)
    assert [record["id"] for record in records] == list(range(2000))
    reasons = [record["reason"] for record in records if record["outcome"] == "rejected"]
    assert len(reasons) == counts.rejected
    assert reasons.count("no such trade") == 100
    assert records[7]["reason"] == "vol is -1.0: must be a number of at least 0"
    failed = reasons.count("failed on purpose (--failure)")
    assert failed == counts.rejected - 101 > 5
    assert all(record["paths"] == 10 for record in records if record["outcome"] == "priced")


def test_what_cannot_be_priced_at_all_is_rejected_with_its_reason(field: Field) -> None:
    """G1, G5, G10: a consumer goes on after each of these."""
    field.fill(250)
    [consumer] = field.serve()
    unknown = field.submit(Job("unknown", "nosuch"))
    broken = field.submit(Job("broken", "tests.pricers:bad_schema"))
    raising = field.submit(Job("raising", "synthetic", options={"task_duration": "long"}))
    lost, damaged = field.submit(Job("lost", "synthetic")), Job("damaged", "synthetic")
    shelfless = Job("shelfless", "synthetic", book="other")
    for job, words in (
        (unknown, "algorithm 'nosuch' is not known"),
        (broken, "is no pricer"),
        (raising, "task_duration is 'long': must be a number of at least 0"),
    ):
        assert field.done(job).counts.rejected == 250
        assert all(words in record["reason"] for record in field.records(job))
    assert field.done(lost).well
    with redis.Redis.from_url(field.url) as client:
        consumer.send(signal.SIGSTOP)
        damaged = field.submit(damaged)
        client.copy(keys.blocks(0, "default"), keys.blocks(0, "other"))
        client.copy(keys.index(0, "default"), keys.index(0, "other"))
        client.sadd(keys.books(), "other")
        shelfless = field.submit(shelfless)
        client.hset(keys.job("damaged"), "spec", "what?")
        client.set(keys.blocks(0, "other"), "a string")
        consumer.send(signal.SIGCONT)
    eventually(lambda: field.progress(damaged).counts.rejected == 250, what="a job rejected")
    assert field.done(shelfless).counts.rejected == 250
    [reason] = {record["reason"] for record in field.records(shelfless)}
    assert reason.startswith("book other cannot be read: ")
    assert "WRONGTYPE" in reason
    assert field.done(field.submit(Job("after", "synthetic"))).well


def test_what_leads_to_damaged_counts_is_put_aside(field: Field) -> None:
    """G10: it can be neither priced nor settled, and must not come back for ever."""
    field.fill(300)
    [consumer] = field.serve("--lease", "0.5")
    with redis.Redis.from_url(field.url) as client:
        stream = keys.stream(0, Lane.BULK)
        client.set(keys.counts(0, "string"), "x")
        client.hset(keys.counts(0, "word"), "epoch", "first")
        client.hset(keys.counts(0, "late"), mapping={"epoch": 1, "rejected": "many"})
        for name in ("string", "word", "late"):
            client.xadd(stream, {"job": name, "epoch": 1, "ids": "0-9"})
        client.xadd(stream, {"job": "x", "epoch": 1, "ids": "9-0"})
        client.xadd(stream, {"nonsense": b"\xff"})
        job = field.submit(Job("good", "synthetic"))
        assert field.done(job).well
        kept = [fields for _, fields in client.xrange(keys.unreadable(0))]
    assert sorted(fields.get(b"job", b"-") for fields in kept) == [
        b"-",
        b"late",
        b"string",
        b"word",
        b"x",
    ]
    assert consumer.end() == 0


def test_a_pricer_that_holds_the_gil_is_priced_in_a_process(field: Field) -> None:
    """G5: it prints, and raises for one trade; neither does harm."""
    field.fill(300)
    [consumer] = field.serve("--slots", "2")
    job = field.submit(Job("night", "tests.pricers:gil", chunk=40, seed=2))
    same = field.submit(Job("same", "tests.pricers:plain", seed=2))
    assert field.done(job).counts.priced == 299
    assert field.done(same).counts.priced == 300
    records, expected = field.records(job), field.records(same)
    assert records[13]["reason"] == "ValueError: unlucky"
    assert prices(records[:13] + records[14:]) == prices(expected[:13] + expected[14:])
    assert len(consumer.children()) == 2
    assert "and by hand" in consumer.log
    # One that dies idle, for want of memory say, is no trade's fault.
    slots = consumer.children()
    for slot in slots:
        slot.kill()
    eventually(lambda: all(gone(slot.pid) for slot in slots), what="the end of the slot processes")
    again = field.submit(Job("again", "tests.pricers:gil", seed=2))
    assert field.done(again).counts.priced == 299
    assert {record["attempts"] for record in field.records(again)} == {1}
    assert consumer.end() == 0


@pytest.mark.parametrize(
    ("how", "words"), [("exit", "ended with exit code 9"), ("kill", "was killed by SIGKILL")]
)
def test_a_trade_that_kills_its_process_dies_alone_and_soon(
    field: Field, how: str, words: str
) -> None:
    """G5: its lease, of 10 s, is waited for by nobody."""
    field.fill(100)
    field.serve("--slots", "2")
    options = {"id": 37, "how": how}
    job = field.submit(Job("night", "tests.pricers:deadly", chunk=25, options=options))
    counts = field.done(job, 30).counts
    assert (counts.priced, counts.dead) == (99, 1)
    records = field.records(job)
    assert [r["id"] for r in records if r["outcome"] == "dead"] == [37]
    assert records[37]["reason"] == f"given up after 3 attempts: the pricer's process {words}"


@pytest.mark.pain("OasisPlatform#975")
def test_a_trade_that_kills_consumers_dies_alone(field: Field) -> None:
    """G5: what else its consumer held is not taken to be deadly, nor is any other consumer lost."""
    field.fill(100)
    options = {"id": 37, "how": "kill"}
    first, second = field.serve("--slots", "2", "--lease", "0.6", count=2)
    job = field.submit(Job("night", "tests.pricers:treacherous", chunk=5, options=options))
    counts = field.done(job, 30).counts
    assert (counts.priced, counts.dead) == (99, 1)
    assert [r["id"] for r in field.records(job) if r["outcome"] == "dead"] == [37]
    assert sum(each.process.poll() is None for each in (first, second)) == 1


def test_a_job_is_left_to_those_who_have_its_pricer(field: Field, tmp_path: Path) -> None:
    """G1: a consumer that lacks it neither rejects the trades nor holds them."""
    field.fill(200)
    home = tmp_path / "home"
    home.mkdir()
    (home / "house_pricer.py").write_text("from tests.pricers import sleepy\n")
    able, poor = field.start("--slots", "1", cwd=home), field.start("--slots", "2", cwd=tmp_path)
    able.serving()
    poor.serving()
    options = {"seconds": 0.02}
    job = field.submit(Job("night", "house_pricer:sleepy", chunk=5, options=options))
    assert field.done(job).counts.priced == 200
    assert poor.events("no such pricer here")
    assert able.end() == 0
    alone = field.submit(Job("alone", "house_pricer:sleepy", chunk=5, options=options))
    assert field.done(alone).counts.rejected == 200
    assert "cannot be imported" in field.records(alone)[0]["reason"]


def test_a_job_is_priced_by_the_version_that_it_was_submitted_with(
    field: Field, tmp_path: Path
) -> None:
    """G3: in the midst of an upgrade too."""
    field.fill(200)
    for version in ("1", "2"):
        home = tmp_path / version
        home.mkdir()
        (home / "house_pricer.py").write_text(
            f"from tests.pricers import Sleepy\npricer = Sleepy(version={version!r})\n"
        )
    old = field.start("--slots", "1", cwd=tmp_path / "1")
    new = field.start("--slots", "1", cwd=tmp_path / "2")
    old.serving()
    new.serving()
    asked = Job(
        "night", "house_pricer:pricer", chunk=5, options={"seconds": 0.01}, pricer_version="1"
    )
    job = field.submit(asked)
    assert field.done(job).counts.priced == 200
    assert new.events("no such pricer here")
    assert not old.events("no such pricer here")
    assert old.end() == 0
    late = field.submit(replace(asked, name="late"))
    assert field.done(late).counts.rejected == 200
    assert "has version 2 here and the job was submitted with 1" in field.records(late)[0]["reason"]


def test_a_pricer_that_changes_its_input_harms_nobody(field: Field) -> None:
    """G5: its trades are rejected, and the consumer goes on."""
    field.fill(20)
    [consumer] = field.serve("--slots", "1")
    job = field.submit(Job("night", "tests.pricers:counting"))
    assert field.done(job).counts.rejected == 20
    assert "read-only" in field.records(job)[0]["reason"]
    assert consumer.end() == 0


@pytest.mark.pain("celery#4028", "taskiq#302", "streaq#65")
def test_a_higher_lane_goes_first(field: Field) -> None:
    """G9: before bulk that waits in the stream, and before bulk that a consumer has in hand."""
    field.fill(1000)
    field.serve("--slots", "1")
    bulk = field.submit(Job("bulk", "tests.pricers:sleepy", chunk=5, options={"seconds": 0.02}))
    eventually(lambda: field.ended(bulk) > 100, what="a job in full swing")
    high = field.submit(synthetic("high", lane=Lane.HIGH))
    before = field.ended(bulk)
    eventually(lambda: field.ended(high) == 1000, what="the high lane served")
    # Two seconds of bulk, some 500 trades, were in hand: behind them it would have waited so long.
    assert field.ended(bulk) - before < 250
    field.cancel(bulk)


@pytest.mark.pain("taskiq-redis#129")
def test_slow_trades_are_not_hoarded(field: Field) -> None:
    """G8: each of two consumers holds a few seconds of work, and both get their share."""
    field.fill(300)
    first, second = (consumer.serving() for consumer in field.serve("--slots", "1", count=2))
    options = {"seconds": 0.3}
    job = field.submit(Job("night", "tests.pricers:sleepy", chunk=10, options=options))
    most = 0

    def halfway() -> bool:
        nonlocal most
        most = max(most, len(field.pending(first)), len(field.pending(second)))
        return field.ended(job) >= 100

    eventually(halfway, 20, "a job halfway")
    # 2 s of prefetch are seven entries, and one is being priced.
    assert 2 <= most <= 10
    field.cancel(job)
    eventually(lambda: not field.backlog(), what="nothing left of a cancelled job")


def test_partitions_are_served_from_wherever_home_is(redis_url: str, tmp_path: Path) -> None:
    """G4: a consumer steals from the other partitions when its own is empty."""
    with field_at(redis_url, tmp_path, partitions=3) as field:
        field.fill(1000)
        field.serve("--home", "4")
        for number in (0, 1):
            job = field.submit(Job(f"night-{number}", "pvonly", paths=10))
            assert field.done(job).well
            assert [r["id"] for r in field.records(job)] == list(range(1000))
