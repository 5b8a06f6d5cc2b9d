"""``loadtest run`` as users run it: exit codes, what it leaves behind, and how it ends early."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest
import redis

from engine.connection import Address
from engine.edge import run_command
from loadtest.capacity import PRECISION
from loadtest.commands import loadtest
from loadtest.latency import Latency
from loadtest.record import Record
from loadtest.run.search import Hunt
from loadtest.run.stand import standing
from loadtest.scenario import Scenario
from loadtest.scenario_read import load
from tests.waiting import eventually, gone

ROOT = Path(__file__).parents[2]

QUICK = ["--set", "realtime.mix={european=1}", "--warm-up", "0.5", "--consumers", "1"]

ENDING = 30.0


class Running:
    """A load test that runs."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.out, self.log = folder / "out", folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loadtest", "run", *arguments, "--out", str(self.out)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "AZFINSIM_REDIS_URL": ""},
                # What a shell in the background has taken away.
                preexec_fn=lambda: (
                    signal.signal(signal.SIGINT, signal.default_int_handler) and None
                ),
            )

    def ends(self) -> int:
        """Wait for its end; its exit code."""
        self.process.wait(90)
        return self.process.returncode

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def record(self) -> Record:
        [path] = self.out.glob("*.json")
        return Record.load(path)

    def child(self, what: str) -> psutil.Process | None:
        """A process below it whose command has a word."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if any(what in word for word in each.cmdline()):
                    return each
            except psutil.Error:
                continue  # It has just ended.
        return None

    def sending(self) -> None:
        """Wait until its generator sends."""
        eventually(lambda: self.child("loadtest.generator"), 60, "a generator")
        generator = self.child("loadtest.generator")
        assert generator is not None
        url = generator.environ()["AZFINSIM_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            eventually(lambda: client.keys("az:*:news"), 60, "its first news")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts load tests that end with the test."""
    started: list[Running] = []

    def start_one(*arguments: str) -> Running:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Running(folder, *arguments))
        return started[-1]

    yield start_one
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        assert each.process.stdout is not None
        each.process.stdout.close()


@contextmanager
def nothing_left(run: Running) -> Iterator[None]:
    """See that what a test has started ends with it."""
    below = psutil.Process(run.process.pid).children(recursive=True)
    assert below
    yield
    for each in below:
        eventually(lambda each=each: gone(each.pid), ENDING, f"end of {each}")  # type: ignore[misc]


def test_a_fresh_clone_runs_a_test_and_says_what_came_of_it(
    start: Callable[..., Running],
) -> None:
    run = start("smoke", *QUICK, "--seconds", "2", "--json")
    assert run.ends() == 0, run.said
    assert run.process.stdout is not None
    told = orjson.loads(run.process.stdout.read())
    assert told["verdict"]["met"]
    assert "series" not in told
    assert str(run.out) in told["files"][0]
    record = run.record()
    assert record.realtime is not None
    assert record.bulk is not None
    assert (record.realtime.planned, record.realtime.priced, record.lost) == (40, 40, 0)
    latency = Latency.decode(record.realtime.latency.hdr.encode())
    assert (len(latency), latency.percentile(99)) == (40, record.realtime.latency.p99)
    bulk = record.bulk
    assert bulk.priced + bulk.cancelled == bulk.submitted > 0
    assert (bulk.rate or 0) > 0
    series = record.series
    columns = orjson.loads(record.to_json())["series"]
    assert {len(column) for column in columns.values()} == {len(series.t)}
    assert series.t[-1] >= 2
    assert sum((each or 0) * 0.5 for at, each in zip(series.t, series.sent_rate, strict=True)
               if at > 0) == pytest.approx(40, abs=1)  # fmt: skip
    assert max(each or 0 for each in series.consumer_memory) > 10e6
    assert max(each or 0 for each in series.redis_cpu) > 0
    assert run.said.index("MET") < run.said.index("latency") < run.said.index("written")
    assert Record.from_json(record.to_json()) == record


def test_a_missed_objective_and_a_fault_are_told(start: Callable[..., Running]) -> None:
    run = start(
        "smoke",
        *QUICK,
        *("--seconds", "3", "--consumers", "2", "--set", "faults.every=1.5"),
        *("--set", "faults.kinds=['kill']", "--set", "objectives=['realtime.p50 < 1us']"),
    )
    assert run.ends() == 1, run.said
    record = run.record()
    assert record.realtime is not None
    assert [each.met for each in record.verdict.objectives] == [False]
    assert record.faults
    assert "killed consumer" in record.faults[0].what
    # It is no news that a consumer has died of a fault, and nothing is lost of it.
    assert not any("consumer" in warning for warning in record.verdict.warnings)
    assert record.lost == 0
    assert record.realtime.errors == {}


def test_networks_and_the_server_fail_and_nothing_is_lost(start: Callable[..., Running]) -> None:
    kinds = ["cut", "delay", "drop", "restart"]
    run = start(
        "smoke",
        *QUICK,
        *("--seconds", "6", "--consumers", "2", "--set", "realtime.deadline=10"),
        *("--set", f"faults.kinds={kinds}", "--set", "faults.every=1"),
        *("--set", "objectives=['realtime.errors = 0', 'lost = 0']"),
    )
    assert run.ends() == 0, run.said
    record = run.record()
    assert sorted({each.kind for each in record.faults}) == kinds
    assert record.realtime is not None
    assert record.realtime.priced == record.realtime.planned
    page = next(run.out.glob("*.html")).read_text("utf-8")
    assert all(each.what in page for each in record.faults)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_a_test_has_its_record_and_nothing_else(
    start: Callable[..., Running], number: signal.Signals
) -> None:
    run = start("realtime", *QUICK, "--json")
    run.sending()
    with nothing_left(run):
        run.process.send_signal(number)
        assert run.ends() == 130, run.said
    record = run.record()
    assert run.process.stdout is not None
    assert orjson.loads(run.process.stdout.read())["verdict"]["ended_early"] == "interrupted"
    assert record.verdict.ended_early == "interrupted"
    assert not record.verdict.met
    assert record.seconds < 30


def test_a_server_that_dies_leaves_a_record(start: Callable[..., Running]) -> None:
    run = start("mixed", *QUICK, "--warm-up", "0")
    run.sending()
    with nothing_left(run):
        server = run.child("valkey")
        assert server is not None
        server.kill()
        assert run.ends() == 1, run.said
    record = run.record()
    assert record.verdict.ended_early is not None
    assert "died after" in record.verdict.ended_early
    assert record.bulk is not None
    assert "Traceback" not in run.said


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("", 2, "which scenario?"),
        ("nothing", 2, "nothing cannot be read"),
        ("smoke --rate 0", 2, "realtime.rate is 0.0: must be a number above 0"),
        ("smoke --consumers 0", 2, "say with --redis-url"),
        ("smoke --set realtime.mix={nil=1}", 2, "algorithm 'nil' is not known"),
        ("smoke --set driver=celery", 2, "driver is 'celery': must be one of azfinsim, client"),
        ("smoke --set driver=echo", 2, "driver is echo, which prices no jobs"),
        ("smoke --set driver=taskiq --redis-url HERE", 2, "want a server of their own"),
        ("smoke --fleet 5", 2, "cannot price by pvonly: add --set bulk.algorithm=synthetic"),
        ("realtime --fleet 5", 2, "of which the scenario has none"),
        ("fleet --redis-url HERE", 2, "have a server of their own"),
        ("fleet --find-capacity", 2, "a fleet takes jobs"),
        ("bulk --find-capacity", 2, "--find-capacity searches for a rate"),
        ("smoke --consumers 0 --redis-url redis://127.0.0.1:1", 3, "no Redis server answers"),
        ("smoke --consumers 0 --redis-url HERE", 3, "no consumer serves the"),
        ("failure --redis-url HERE --set faults.kinds=['pause']", 2, "would strike everybody at"),
        ("failure --redis-url HERE --set faults.kinds=['restart']", 2, "would kill the server at"),
        ("failure --redis-url HERE --set faults.kinds=['cut']", 2, "the test has laid itself"),
        (
            "fleet --set realtime=false --set objectives=[] --set faults.kinds=['cut']",
            2,
            "it starts none",
        ),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(
    arguments: str,
    code: int,
    told: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AZFINSIM_REDIS_URL", "")
    words = [redis_url if word == "HERE" else word for word in arguments.split()]
    monkeypatch.setattr(sys, "argv", ["loadtest", "run", *words, "--out", str(tmp_path)])
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            run_command(loadtest, "loadtest")
    finally:
        signal.signal(signal.SIGTERM, handler)
    said = capfd.readouterr().err
    assert ended.value.code == code, said
    assert told in said
    assert "Traceback" not in said


SLOTS, PAUSE = 8, 0.1

TRIES_ON_A_BUSY_MACHINE = 2


def slow_pricer() -> Scenario:
    """Calls that sleep in their slots, so that the capacity is known.

    Above it, more wait for each second that it lasts: a tenth above, nine in ten calls are not
    answered in time. Below it nobody waits, and a machine that stands still for a moment makes
    fewer calls late than one in ten.
    """
    return load(
        "realtime",
        [
            "realtime.mix={'loadtest.chaos.pricers:pricer'=1}",
            f"realtime.options={{pause={PAUSE}}}",
            "realtime.paths=100",
            "realtime.deadline=2",
            "realtime.arrivals=constant",
            "objectives=['realtime.p90 < 180ms', 'realtime.errors = 0']",
        ],
        {
            "consumers.start": 1,
            "consumers.slots": SLOTS,
            "seconds": 2,
            "warm_up": 0.3,
            "realtime.rate": 0.9 * SLOTS / PAUSE,
        },
    )


async def test_the_capacity_of_a_slow_pricer_is_found(redis_url: str, tmp_path: Path) -> None:
    """Eight slots that take a tenth of a second for each call bear eighty a second."""
    wanted = slow_pricer()
    async with standing(wanted, Address.parse(redis_url), None, tmp_path) as stand:
        for _ in range(TRIES_ON_A_BUSY_MACHINE):
            said: list[str] = []
            hunt = Hunt(stand, wanted, said.append, lambda _round: None, precision=2 * PRECISION)
            await hunt.run()
            capacity = hunt.capacity()
            found = capacity.rate == pytest.approx(SLOTS / PAUSE, rel=0.1)
            if found or capacity.limited_by != "machine":
                break
    assert found, said
    # Where nobody gets the cores that he wants, that is told first.
    assert capacity.limited_by in ("slots", "machine"), said
    met = [each for each in capacity.tries if each.rate == capacity.rate]
    assert [each.met for each in met[-2:]] == [True, True]
