"""Pricers that hang, are greedy or kill, and trades that are handed back meanwhile (G1, G5)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from engine import keys
from engine.job import Job, Lane
from tests.processes import Field, prices, synthetic
from tests.waiting import eventually

WARM_UP = ("--warm-up", "4")
"""Seconds: for a slot's process to begin, on a machine that is busy with other tests."""


def azfinsim(field: Field, *arguments: str) -> Any:
    """What a command reports."""
    done = subprocess.run(
        [sys.executable, "-m", "azfinsim", *arguments, "--json"],
        env={**os.environ, "AZFINSIM_REDIS_URL": field.url},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Traceback" not in done.stderr
    return orjson.loads(done.stdout)


def seen(records: list[dict[str, Any]], outcome: str) -> list[int]:
    return [record["id"] for record in records if record["outcome"] == outcome]


def test_trades_that_never_end_are_given_up_alone(field: Field) -> None:
    """G1, G5: they are renewed for ever by nobody; the others have their prices, to the byte."""
    field.fill(200)
    [consumer] = field.serve("--slots", "2", *WARM_UP)
    sound = field.submit(Job("sound", "tests.vices:hanging", options={"ids": []}))
    job = field.submit(
        Job(
            "night",
            "tests.vices:hanging",
            chunk=50,
            trade_timeout=1.0,
            options={"ids": [37, 120]},
        )
    )
    counts = field.done(job, 60).counts
    assert (counts.priced, counts.dead) == (198, 2)
    field.done(sound)
    records, expected = field.records(job), field.records(sound)
    assert seen(records, "dead") == [37, 120]
    assert {records[37]["reason"], records[120]["reason"]} == {"took longer than 1 s"}
    for dead in (120, 37):
        del records[dead], expected[dead]
    assert prices(records) == prices(expected)
    [first, _] = azfinsim(field, "dead", "list")["dead"]
    assert (first["trade"], first["consumer"]) == (37, consumer.serving())
    assert "in price" in first["traceback"]
    assert consumer.end() == 0


@pytest.mark.pain("OasisPlatform#975")
def test_a_greedy_trade_is_rejected_and_its_consumer_lives(field: Field) -> None:
    """G5."""
    if sys.platform != "linux":
        pytest.skip("only Linux bounds a process's memory")
    field.fill(100)
    [consumer] = field.serve("--slots", "2", "--slot-memory", "200")
    options = {"ids": [37], "megabytes": 400}
    job = field.submit(Job("night", "tests.vices:greedy", chunk=25, options=options))
    counts = field.done(job, 30).counts
    assert (counts.priced, counts.rejected) == (99, 1)
    assert "MemoryError" in field.records(job)[37]["reason"]
    assert consumer.end() == 0


def test_dead_trades_are_replayed_and_do_no_harm_again(field: Field, tmp_path: Path) -> None:
    """G1, G5: they die again without their consumer, and once mended they are priced."""
    field.fill(60)
    (tmp_path / "house_pricer.py").write_text("from tests.pricers import treacherous as pricer\n")
    consumer = field.start("--slots", "1", "--lease", "0.6", cwd=tmp_path)
    consumer.serving()
    options = {"id": 37, "how": "kill"}
    job = field.submit(Job("night", "house_pricer:pricer", chunk=20, options=options))
    # The first to have it dies of it: it says that it needs no process of its own.
    eventually(lambda: consumer.process.poll() is not None, 20, "a consumer killed")
    other = field.start("--slots", "1", "--lease", "0.6", cwd=tmp_path)
    assert field.done(job, 30).counts.dead == 1
    [letter] = azfinsim(field, "dead", "list", "--job", "night")["dead"]
    assert letter["trade"] == 37
    assert letter["reason"].endswith("the pricer's process was killed by SIGKILL")
    assert letter["consumer"] == other.serving()
    assert azfinsim(field, "dead", "replay", "--all")["jobs"] == {"night": 1}
    counts = field.done(job, 30).counts
    assert (counts.submitted, counts.priced, counts.dead) == (60, 59, 1)
    assert other.end() == 0
    (tmp_path / "house_pricer.py").write_text("from tests.pricers import plain as pricer\n")
    mended = field.start("--slots", "1", cwd=tmp_path)
    mended.serving()
    assert azfinsim(field, "dead", "replay", "--job", "night")["replayed"] == 1
    assert field.done(job, 30).well
    assert [record["id"] for record in field.records(job)] == list(range(60))
    assert azfinsim(field, "dead", "list") == {"dead": []}


def test_a_suspect_that_was_handed_back_kills_no_consumer(field: Field) -> None:
    """G5: whoever takes it next prices it apart, though it was given back in between."""
    field.fill(10)
    options = {"id": 3, "how": "kill"}
    job = field.submit(Job("night", "tests.pricers:treacherous", options=options))
    with redis.Redis.from_url(field.url) as client:
        [(entry, fields)] = client.xrange(keys.stream(0, Lane.BULK))
        client.xdel(keys.stream(0, Lane.BULK), entry)
        # As it is handed back by one who had taken it over from another.
        client.xadd(keys.stream(0, Lane.BULK), {**fields, b"spent": b"0", b"lapsed": b"1"})
    [consumer] = field.serve("--slots", "1")
    counts = field.done(job, 30).counts
    assert (counts.priced, counts.dead) == (9, 1)
    assert consumer.end() == 0


def test_a_lane_without_a_pricer_starves_no_other(field: Field, tmp_path: Path) -> None:
    """G8: he who lacks the pricer of a high job prices bulk, while others are busy with it."""
    field.fill(400)
    home = tmp_path / "home"
    home.mkdir()
    (home / "house_pricer.py").write_text("from tests.pricers import sleepy\n")
    able = field.start("--slots", "1", "--lane", "high", cwd=home)
    able.serving()
    options = {"seconds": 0.2}
    high = field.submit(
        Job("high", "house_pricer:sleepy", lane=Lane.HIGH, chunk=2, options=options)
    )
    eventually(lambda: field.ended(high), what="a job in full swing")
    poor = field.start("--slots", "1", cwd=tmp_path)
    poor.serving()
    eventually(lambda: poor.events("no such pricer here"), what="one who cannot price it")
    bulk = field.submit(synthetic("bulk", 1.0, chunk=5))
    assert field.done(bulk, 10).well
    assert not field.progress(high).ended, "there was no high work left to starve it"
    field.cancel(high)
