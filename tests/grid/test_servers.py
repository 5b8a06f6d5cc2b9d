"""Consumers and the state of their server: restarted, emptied, full, or none that will do (G4)."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from engine import keys
from engine.job import Job, Lane
from tests.conftest import FreshServer
from tests.processes import ROOT, Consumer, Field, field_at, synthetic
from tests.waiting import eventually

LEASE = ("--lease", "1")


def past(field: Field, job: Job, trades: int) -> None:
    """Wait until more than so many trades of a job have ended."""
    eventually(lambda: field.ended(job) > trades, what="a job in the middle")


def waits(consumer: Consumer, times: int = 1) -> None:
    """Wait until a consumer has found its server full."""
    found = "cannot settle yet"
    # A full server cannot be told that a pricer is lacking either; who lives is known for 10 s.
    eventually(lambda: len(consumer.events(found)) >= times, 30, "a consumer that waits")


@pytest.mark.pain("taskiq-redis#65", "taskiq#658", "celery#8030", "celery#8091", "celery#10205")
def test_a_server_that_is_killed_and_comes_back(fresh_server: FreshServer, tmp_path: Path) -> None:
    """G1, G2, G4: with its append-only file, in the middle of a job, more than once."""
    server = fresh_server(directory=tmp_path / "data", port=0, config={"appendfsync": "always"})
    with field_at(server.url, tmp_path) as field:
        field.fill(2000)
        field.serve("--slots", "2", *LEASE, count=2)
        options = {"seconds": 0.02}
        job = field.submit(Job("night", "tests.pricers:sleepy", chunk=10, options=options))
        for share in (300, 900):
            past(field, job, share)
            server.kill()
            server.start()
        counts = field.done(job).counts
        assert counts.submitted == counts.priced == 2000
        assert [record["id"] for record in field.records(job)] == list(range(2000))
        assert all(consumer.end() == 0 for consumer in field.consumers)


def test_a_server_that_has_lost_all_data(field: Field) -> None:
    """G4: consumers go on; a job that is submitted again is priced as it is asked for now."""
    field.fill(200)
    [consumer] = field.serve("--slots", "1", *LEASE)
    lost = field.submit(Job("night", "tests.pricers:sleepy", chunk=5, options={"seconds": 0.05}))
    eventually(lambda: field.ended(lost), what="a job in the middle")
    with redis.Redis.from_url(field.url) as client:
        client.flushall()
    field.fill(200)
    again = field.submit(Job("night", "tests.pricers:plain", lane=Lane.HIGH))
    assert field.done(again).well
    assert "pv" in field.records(again)[0]
    assert field.done(field.submit(synthetic("bulk"))).well
    assert consumer.end() == 0


def test_a_server_that_is_full_for_a_while(fresh_server: FreshServer, tmp_path: Path) -> None:
    """G1, G4, G8: nothing is lost, nothing is taken for deadly, and nobody asks in a frenzy."""
    server = fresh_server()
    with field_at(server.url, tmp_path) as field, redis.Redis.from_url(server.url) as client:
        field.fill(4000)
        client.config_set("maxmemory-policy", "noeviction")
        consumers = field.serve("--slots", "2", *LEASE, count=2)
        good = field.submit(
            Job("good", "tests.pricers:sleepy", chunk=20, options={"seconds": 0.02})
        )
        bad = field.submit(Job("bad", "nosuch", chunk=20, lane=Lane.HIGH))
        eventually(lambda: field.ended(good), what="a job in the middle")
        client.config_set("maxmemory", "1")
        for consumer in consumers:
            waits(consumer, times=4)
        client.config_set("maxmemory", "0")
        counts = field.done(good).counts
        assert counts.submitted == counts.priced == 4000
        assert field.done(bad).counts.rejected == 4000
        assert all(len(c.events("cannot settle yet")) < 50 for c in consumers)


def test_it_leaves_a_full_server_at_once_with_all_handed_back(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    """G5, G7: also what was priced and cannot be settled."""
    server = fresh_server()
    with field_at(server.url, tmp_path) as field, redis.Redis.from_url(server.url) as client:
        field.fill(400)
        [consumer] = field.serve("--slots", "1")
        job = field.submit(
            Job("night", "tests.pricers:sleepy", chunk=10, options={"seconds": 0.05})
        )
        eventually(lambda: field.ended(job), what="a job in the middle")
        client.config_set("maxmemory", "1")
        waits(consumer)
        assert consumer.end() == 0
        client.config_set("maxmemory", "0")
        assert field.pending(consumer.serving()) == []
        field.serve("--slots", "4")
        assert field.done(job).well
        assert {record["attempts"] for record in field.records(job)} == {1}


def test_it_leaves_a_full_server_on_which_it_cannot_begin(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    """G7: its streams cannot be made; it need not be told twice."""
    server = fresh_server()
    with field_at(server.url, tmp_path) as field, redis.Redis.from_url(server.url) as client:
        field.living()  # The grid is there.
        client.config_set("maxmemory", "1")
        consumer = field.start()
        waiting = "waiting for the server"
        eventually(lambda: consumer.events(waiting), 20, "a consumer that cannot begin")
        assert consumer.end() == 0


def test_a_stream_that_is_something_else_ends_it_with_one_line(field: Field) -> None:
    """G10: a clear error."""
    field.fill(10)
    [consumer] = field.serve()
    with redis.Redis.from_url(field.url) as client:
        client.set(keys.stream(0, Lane.BULK), "x")
    assert consumer.ended() == 3
    [line] = [line for line in consumer.log.splitlines() if not line.startswith("{")]
    assert line.startswith("error: the Redis server at unix:")
    assert "WRONGTYPE" in line


def run(*options: str, url: str | None = None) -> "subprocess.CompletedProcess[str]":
    """A consumer that is expected to end by itself."""
    env = {k: v for k, v in os.environ.items() if k != "AZFINSIM_REDIS_URL"}
    if url is not None:
        env["AZFINSIM_REDIS_URL"] = url
    return subprocess.run(
        [sys.executable, "-m", "consumer", *options],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def old_server() -> Iterator[str]:
    """Something that answers every command as Redis 5 answers INFO."""
    info = b"redis_version:5.0.14\r\n"
    answer = b"$%d\r\n%s\r\n" % (len(info), info)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(65536):
                    commands = data.count(b"CLIENT") + data.count(b"HELLO")
                    connection.sendall(b"+OK\r\n" * commands if commands else answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}?protocol=2"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_server_that_is_too_old() -> None:
    with old_server() as url:
        ended = run(url=url)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        "error: the server is Redis 5.0.14: azfinsim needs 6.2 or later, or Valkey\n"
    )


@pytest.mark.parametrize(
    ("options", "url", "code", "words"),
    [
        ((), "redis://127.0.0.1:1", 3, "`azfinsim serve`"),
        ((), None, 3, "`azfinsim serve`"),
        ((), "http://127.0.0.1", 2, "begins with http://"),
        (("--redis-url", "redis://:secret@127.0.0.1:1"), None, 2, "AZFINSIM_REDIS_URL"),
        (("--lane", "low"), "redis://127.0.0.1:1", 2, "must be of realtime, high, bulk"),
        (("--slots", "0"), "redis://127.0.0.1:1", 2, "--slots"),
    ],
)
def test_what_it_cannot_start_with(
    options: tuple[str, ...], url: str | None, code: int, words: str
) -> None:
    """Section 6: exit codes, and the way out in words; G10: no secret in them."""
    ended = run(*options, url=url)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_ctrl_c_while_it_starts(field: Field) -> None:
    """No traceback, whatever it was doing."""
    field.fill(1)
    for number in range(3):
        consumer = field.start()
        has_mapped(consumer, 70 + 30 * number)
        assert consumer.end(signal.SIGINT) in (0, 130, -signal.SIGINT)


def has_mapped(consumer: Consumer, files: int) -> None:
    """Wait until a process has mapped so much: it grows while it imports."""

    def mapped() -> bool:
        return len(Path(f"/proc/{consumer.pid}/maps").read_text().splitlines()) > files

    eventually(mapped, what="a consumer that has begun")
