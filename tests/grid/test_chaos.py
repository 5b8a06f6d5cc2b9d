"""Chaos from end to end: a seeded schedule of faults, and the audit of what came of it.

``make soak`` has as many schedules strike as fit into SOAK_SECONDS; see tests/soak.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
import redis

from engine import keys
from tests.conftest import FreshServer
from tests.redis_servers import needs_openssl, needs_redis
from tests.waiting import eventually, gone

CHAOS = (sys.executable, "-m", "loadtest", "chaos")

LOSING = {"forget", "tail", "promote"}


def chaos(*options: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """The report of a run, and what it told meanwhile."""
    done = subprocess.run([*CHAOS, *options, "--json"], capture_output=True, timeout=280)
    told = done.stderr.decode()
    assert done.returncode == code, told
    report: dict[str, Any] = orjson.loads(done.stdout) if done.stdout else {}
    return report, told


@pytest.mark.timeout(300)
def test_every_kind_of_fault_and_a_clean_audit() -> None:
    """G1 to G7, G9: 20,000 trades and realtime calls; the seed is fixed, machines differ."""
    report, told = chaos("--seed", "1", "--seconds", "30", "--trades", "20000", "--realtime")
    assert report["findings"] == [], told
    assert report["trades"] > 20_000
    assert len(report["strikes"]) >= 14, told
    assert report["strikes"].keys() >= {*LOSING, "controller"}
    assert report["again"] > 0, "nothing had to be done again: nothing was disturbed"
    assert report["calls_priced"] > report["calls"] / 2
    assert report["losses"] == sum(report["strikes"][kind] for kind in LOSING)


@pytest.mark.timeout(200)
def test_on_a_cluster_no_call_is_answered_twice() -> None:
    """G1 to G6, G9: nothing strikes that would let a client send a call twice."""
    options = ("--ground", "cluster", "--realtime", "--trades", "2000", "--seconds", "8")
    report, told = chaos(*options, "--kinds", "freeze,term,slow", "--seed", "2")
    assert report["findings"] == [], told
    assert sum(report["strikes"].values()) >= 4, told
    assert report["calls_priced"] > report["calls"] / 2


@needs_redis
@needs_openssl
@pytest.mark.timeout(200)
def test_with_tls_and_partitions() -> None:
    """G4, G10: through networks that break, and on a server that is killed."""
    options = ("--ground", "tls", "--partitions", "2", "--trades", "200", "--seconds", "3")
    report, told = chaos(*options, "--kinds", "cut,restart", "--every", "0.7", "--seed", "1")
    assert report["findings"] == [], told
    assert report["strikes"]["restart"] > 0
    assert "--ground tls --partitions 2" in report["replay"]


def test_on_a_users_server_only_what_harms_nobody_else(fresh_server: FreshServer) -> None:
    server = fresh_server(port=0)
    options = ("--redis-url", server.url, "--trades", "300", "--seconds", "2", "--every", "0.5")
    report, told = chaos(*options, "--kinds", "cut,delay", "--seed", "1")
    assert report["findings"] == [], told
    with redis.Redis.from_url(server.url) as client:
        assert client.keys() == [], "it is left as it was"
        client.hset(keys.job("precious"), "spec", "{}")
        _, told = chaos(*options, code=2)
        assert "a database of its own" in told
        assert client.keys() == [keys.job("precious").encode()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--kinds", "kill,plague"), "plague: must be of poison, kill"),
        (("--kinds", "restart", "--redis-url", "redis://127.0.0.1:1"), "only a server of its own"),
        (("--ground", "tls", "--redis-url", "redis://127.0.0.1:1"), "for servers of the run's own"),
        (("--kinds", "forget", "--ground", "cluster"), "cannot strike on --ground cluster"),
        (("--kinds", "cut", "--redis-url", "unix:///tmp/nowhere"), "only for redis://"),
        (("--kinds", "version"), "needs --other-version FOLDER"),
    ],
)
def test_it_says_what_cannot_strike(options: tuple[str, ...], words: str) -> None:
    _, told = chaos(*options, code=2)
    assert words in told
    assert "Traceback" not in told


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*CHAOS, "--kinds", "kill", "--trades", "200"],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    assert process.stderr is not None
    told = b""
    while b"calm begins" not in told:
        told += process.stderr.readline()
    started = psutil.Process(process.pid).children()
    assert len(started) >= 4, "a server and three consumers"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    for child in started:
        eventually(lambda child=child: gone(child.pid), what="its end")  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []
