"""Hostile bytes in every kind of key of a grid at work, which goes on pricing (G10)."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from engine import keys
from engine.ids import BLOCK_SIZE
from engine.job import Job
from tests.callers import Caller
from tests.hostile.command_tree import QUICK, leaves, run
from tests.processes import Field, field_at, synthetic
from tests.waiting import eventually

PLAIN = "tests.pricers:plain"

GARBAGE = [
    *(b"", b"\x00", b"\xff\xfe", b"null", b"[]", b"{}", b'{"id":1}', b"-1", b"9" * 400, b"NaN"),
    *(b"0-999999999999", b"[" * 1000 + b"]" * 1000, b"x" * 100_000, b"1e999", b"\x1b[2J\r\n"),
]

Damage = Callable[[Any, Job], None]
"""Does harm to what a server keeps for a job that is there."""


def _fields(client: Any, key: str, *names: bytes) -> None:
    """Every garbage under a name of its own, and one under each of the names."""
    for number, garbage in enumerate(GARBAGE):
        client.hset(key, garbage[:200] or b"0", GARBAGE[-number])
    for number, name in enumerate(names):
        client.hset(key, name, GARBAGE[number % len(GARBAGE)])


def _entries(client: Any, key: str, whole: dict[str, object]) -> None:
    """Messages of garbage alone, and whole ones with garbage in one field."""
    for garbage in GARBAGE:
        client.xadd(key, {garbage or b"x": garbage})
        for name in whole:
            client.xadd(key, {**whole, name: garbage})


def _stream(client: Any, job: Job) -> None:
    epoch = client.hget(keys.counts(0, job.name), "epoch")
    whole = {"job": job.name, "epoch": epoch, "ids": "9000-9099", "spent": "0", "lapsed": "0"}
    for lane in ("high", "bulk"):
        _entries(client, keys.stream(0, lane), whole)
    request = orjson.dumps({"algorithm": PLAIN, "seed": 0})
    call = {"call": "1", "client": "nobody", "trade": b'{"id":1,"spot":1}', "request": request}
    _entries(client, keys.stream(0, "realtime"), {**call, "deadline": str(2**52)})


def _blocks(client: Any, job: Job) -> None:
    # Those of block 3, which the job is to price, and of others besides.
    for number, garbage in enumerate(GARBAGE):
        client.hset(keys.blocks(0, job.book), str(100 + number), garbage)
    client.hset(
        keys.blocks(0, job.book), "3", b'["id","spot"]\n[301,1.5]\n\xff\n[[]]\n' + GARBAGE[11]
    )


def _job(client: Any, job: Job) -> None:
    for number, garbage in enumerate(GARBAGE):
        name = f"bad-{number}"
        client.hset(keys.job(name), "spec", garbage)
        client.zadd(keys.jobs(), {name: number})
        client.hset(keys.counts(0, name), "epoch", "1")
        fields = {"job": name, "epoch": "1", "ids": "0-9", "spent": "0", "lapsed": "0"}
        client.xadd(keys.stream(0, "bulk"), fields)
    for at, (field, value) in enumerate(
        {
            "options": {"a": [1] * 9},
            "trade_timeout": -1,
            "failure": 7,
            "seed": -5,
            "paths": 0,
        }.items()
    ):
        name = f"odd-{at}"
        spec = {**orjson.loads(job.to_json()), "name": name, field: value}
        client.hset(keys.job(name), "spec", orjson.dumps(spec))
        client.hset(keys.counts(0, name), "epoch", "1")
        fields = {"job": name, "epoch": "1", "ids": "0-9", "spent": "0", "lapsed": "0"}
        client.xadd(keys.stream(0, "bulk"), fields)


def _counts(client: Any, job: Job) -> None:
    for number, garbage in enumerate(GARBAGE):
        name = f"miscounted-{number}"
        client.hset(
            keys.job(name), "spec", orjson.dumps({**orjson.loads(job.to_json()), "name": name})
        )
        for field in ("epoch", "submitted", "priced", "settled_at"):
            client.hset(keys.counts(0, name), field, garbage)
        fields = {"job": name, "epoch": "1", "ids": "0-9", "spent": "0", "lapsed": "0"}
        client.xadd(keys.stream(0, "bulk"), fields)


def _consumers(client: Any, job: Job) -> None:
    for number, garbage in enumerate(GARBAGE):
        client.sadd(keys.consumers(), garbage)
        client.sadd(keys.consumers(), f"ghost-{number}")
        client.set(keys.consumer(f"ghost-{number}"), garbage)


def _sweep(client: Any, job: Job) -> None:
    for garbage in GARBAGE:
        client.set(keys.sweep(0, "bulk"), garbage)
    client.hset(keys.sweep(0, "high"), "a", "b")


def _waiting(client: Any, job: Job) -> None:
    _fields(client, keys.waiting())
    for garbage in GARBAGE:
        client.set(keys.turn(), garbage, px=50)


DAMAGE: dict[str, Damage] = {
    "grid": lambda client, job: _fields(client, keys.grid()),
    "books": lambda client, job: client.sadd(keys.books(), *GARBAGE),
    "blocks": _blocks,
    "index": lambda client, job: _fields(client, keys.index(0, "another")),
    "stream": _stream,
    "sweep": _sweep,
    "unreadable": lambda client, job: _entries(client, keys.unreadable(0), {"job": "x"}),
    "replies": lambda client, job: _entries(
        client, keys.replies(0, "nobody"), {"reply": "{}", "moved": "1"}
    ),
    "jobs": lambda client, job: client.zadd(keys.jobs(), dict.fromkeys(GARBAGE, 1)),
    "job": _job,
    "counts": _counts,
    "manifest": lambda client, job: _fields(client, keys.manifest(0, job.name)),
    "results": lambda client, job: _fields(client, keys.results(0, "another")),
    "dead": lambda client, job: _fields(client, keys.dead(0, job.name)),
    "held": lambda client, job: _entries(client, keys.held(0, "bad"), {"job": "x"}),
    "waiting": _waiting,
    "turn": _waiting,
    "consumers": _consumers,
    "consumers_turn": lambda client, job: client.hset(keys.consumers_turn("forget"), "a", "b"),
    "consumer": _consumers,
    "controller": lambda client, job: _fields(client, keys.controller("house")),
    "taken_down": lambda client, job: _fields(client, keys.taken_down("house")),
    "crew": lambda client, job: _fields(client, keys.crew("house"), b"*", b"1"),
}
"""For each function of ``engine.keys``."""


def test_every_kind_of_key_is_damaged() -> None:
    """A new one is to have its damage too."""
    made = inspect.getmembers(keys, inspect.isfunction)
    assert {name for name, function in made if function.__module__ == keys.__name__} <= set(DAMAGE)


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    with field_at(redis_url, tmp_path) as made:
        yield made


def test_neighbours_are_priced_whatever_lies_beside_them(field: Field) -> None:
    """All kinds of damage at once, done to a consumer that is in the middle of its work."""
    field.fill(1000)
    [consumer] = field.serve("--slots", "2")
    job = field.submit(synthetic("night", 2, chunk=20))
    eventually(lambda: field.ended(job) > 0, what="a consumer at work")
    caller = Caller(field)
    with redis.Redis.from_url(field.url) as client:
        for damage in DAMAGE.values():
            damage(client, job)
        progress = field.done(job)
        # The block that was damaged is missing most of its trades; all others are there.
        assert progress.counts.rejected <= BLOCK_SIZE
        assert progress.counts.priced >= 1000 - BLOCK_SIZE
        assert caller.price([{"id": 1, "spot": 1.0}], PLAIN)[0]["outcome"] == "priced"
        # Nothing is left to be tried again and again, and nothing was dropped without a trace.
        eventually(lambda: field.backlog() == 0, 30, "empty lanes")
        assert client.xlen(keys.unreadable(0)) > len(GARBAGE)
    assert consumer.process.poll() is None, consumer.log[-3000:]
    # It has told of each, in lines that fill no disk.
    assert consumer.events("put aside")
    assert max(map(len, consumer.log.splitlines())) < 10_000
    again = field.submit(synthetic("morning", 0, trades="400:100"))
    assert field.done(again).counts.priced == 100
    assert consumer.end() == 0


@pytest.mark.parametrize("kind", DAMAGE)
def test_commands_say_what_is_damaged(
    kind: str, field: Field, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a few words, and no traceback: whatever it is that they cannot read."""
    monkeypatch.chdir(field.folder)
    monkeypatch.setenv("AZFINSIM_REDIS_URL", field.url)
    field.fill(200)
    job = field.submit(synthetic("night"))
    there = leaves()
    others = {"book show": ["301"], "book export": ["--book", "another"], "job status": ["bad-3"]}
    odd = {"job status": ["odd-0"], "job resume": ["odd-1"], "job cancel": ["miscounted-2"]}
    with redis.Redis.from_url(field.url) as client:
        DAMAGE[kind](client, job)
        for name, arguments in [*QUICK.items(), *others.items(), *odd.items()]:
            if name in there:
                code, _, err = run(capfd, *name.split(), *arguments)
                assert code in (0, 1, 2, 3), (name, err)
                assert "Traceback" not in err, (name, err)
                # A damaged line of a table may be long, an error may not.
                errors = [line for line in err.splitlines() if line.startswith("error:")]
                assert all(len(line) < 1000 for line in errors), (name, err)
