"""Controllers as processes: jobs are done by consumers they start, whatever becomes of them."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from engine.job import Job
from tests.infra.control_process import LEASE, Scene, command
from tests.processes import ROOT, field_at
from tests.waiting import eventually


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    with field_at(redis_url, tmp_path) as at:
        made = Scene(at, tmp_path)
        try:
            yield made
        finally:
            made.close()


def soon(scene: Scene, name: str, trades: int, seconds: float, **fields: Any) -> Job:
    """A job of so many trades of 20 ms that is to be done in so many seconds."""
    now = scene.at.run(lambda grid: grid.jobs.now())
    # Which sleep, 100 ms for an entry: how long does not depend on who else is at work here.
    asked = {"options": {"seconds": 0.1}, "trades": f"0:{trades}", "chunk": 5, **fields}
    return scene.at.submit(Job(name, "tests.pricers:sleepy", by=now + seconds, **asked))


def test_a_job_gets_the_consumers_it_needs_and_then_they_leave(scene: Scene) -> None:
    scene.at.fill(1_200)
    # 24 s for one consumer, who has 17.
    job = soon(scene, "night", 1_200, 17.0)
    controller = scene.control("--price", "3600")
    assert controller.shows("leading")["token"]
    eventually(lambda: scene.living >= 2, 20, "the consumers that measure")
    done = scene.at.done(job, 60)
    assert done.well
    assert job.by is not None
    assert done.settled_at <= job.by
    told = [event["words"] for event in controller.events("decided")]
    assert any("to measure what trades of job night cost" in words for words in told)
    assert any(re.match(r"done at .* with [234] consumers, \d+\.\d+ USD", w) for w in told), told
    eventually(lambda: not scene.living, 30, "the end of all consumers")
    assert max(event["consumers"] for event in controller.events("decided")) <= 4
    assert controller.end() == 0


def test_what_was_priced_before_is_no_unknown(scene: Scene) -> None:
    """Of a job that consumers have worked on already, the results tell what a trade takes."""
    scene.at.fill(2_000)
    job = soon(scene, "night", 2_000, 600.0)
    consumer = scene.at.start("--slots", "1")
    eventually(lambda: scene.at.ended(job) >= 100, 30, "results")
    assert consumer.end() == 0
    once = scene.control("--once", "--dry-run", "--json")
    assert once.process.wait(20) == 0
    report = orjson.loads(once.log.read_bytes().splitlines()[-1])
    assert not report["probing"], report
    assert report["consumers"] == 1


def test_a_job_that_waits_for_another_is_begun_though_no_consumer_runs(scene: Scene) -> None:
    scene.at.fill(100)
    first = soon(scene, "first", 100, 60.0)
    after = soon(scene, "after", 100, 60.0, after_any=True, after="first")
    scene.at.cancel(first)
    scene.control()
    assert scene.at.done(after, 40).well


def test_stand_bys_take_over_from_leaders_that_are_killed(scene: Scene) -> None:
    scene.at.fill(900)
    leader, standby = scene.control(), scene.control()
    eventually(lambda: leader.events("leading") or standby.events("leading"), 20)
    eventually(lambda: leader.events("standing by") or standby.events("standing by"), 20)
    if standby.events("leading"):
        leader, standby = standby, leader
    job = soon(scene, "night", 900, 600.0)
    leader.shows("set")
    consumers = scene.living
    for _ in range(3):
        token = leader.events("leading")[-1]["token"]
        leader.end(signal.SIGKILL)
        assert standby.shows("leading", within=4 * LEASE)["token"] > token
        standby.shows("decided")
        # Who leads now knows what there is, and starts nobody a second time; as the job nears its
        # end, one may have been let go.
        assert scene.begun == consumers
        leader, standby = standby, scene.control()
        standby.shows("standing by")
    assert scene.at.done(job, 60).well
    assert scene.begun == consumers


def test_a_leader_that_was_frozen_does_nothing_when_it_wakes(scene: Scene) -> None:
    scene.at.fill(2_000)
    frozen = scene.control()
    frozen.shows("decided")
    frozen.send(signal.SIGSTOP)
    next_ = scene.control()
    next_.shows("leading", within=5 * LEASE)
    told = len(frozen.events("decided")), len(frozen.events("set"))
    # There is now something to do, which it has not seen.
    soon(scene, "night", 2_000, 600.0)
    next_.shows("set")
    frozen.send(signal.SIGCONT)
    frozen.shows("leading no more")
    frozen.shows("standing by")
    assert (len(frozen.events("decided")), len(frozen.events("set"))) == told
    assert scene.living == 2
    assert frozen.end() == 0


def test_who_is_told_to_end_lets_another_lead_at_once(scene: Scene) -> None:
    leader, standby = scene.control("--lease", "600"), scene.control("--lease", "600")
    leading = eventually(lambda: [c for c in (leader, standby) if c.events("leading")], 20)
    [other] = [c for c in (leader, standby) if c is not leading[0]]
    other.shows("standing by")
    assert leading[0].end(signal.SIGINT) == 0
    # Long before the lease, or a third of it, has gone by.
    once = scene.control("--once", "--json")
    assert once.process.wait(20) == 0
    report = orjson.loads(once.log.read_bytes().splitlines()[-1])
    assert report["leads"]
    assert report["consumers"] == 0
    assert report["words"] == "nothing to do: no consumer"


def test_a_crew_that_is_taken_down_stays_down(scene: Scene) -> None:
    scene.at.fill(2_000)
    soon(scene, "night", 2_000, 600.0)
    controls = [scene.control(), scene.control()]
    eventually(lambda: scene.living >= 2, 20, "consumers")
    eventually(lambda: any(each.events("standing by") for each in controls), 20, "a stand-by")

    def down(*options: str) -> "subprocess.CompletedProcess[str]":
        told = [sys.executable, "-m", "azfinsim", "pool", "down", "--local", *options]
        return subprocess.run(
            told, cwd=ROOT, env=scene.environment, capture_output=True, text=True, timeout=60
        )

    kept = down("--keep", "1")
    assert kept.returncode == 2
    assert "would change that again" in kept.stderr
    ended = down()
    assert ended.returncode == 0, ended.stderr
    assert "was told to end" in ended.stderr
    for control in controls:
        assert control.process.wait(10) == 0
        assert control.events("the crew was taken down: this controller ends")
    # Though most of the job is left.
    assert not scene.living
    assert scene.begun == 2


def test_the_server_may_go_and_come_back(fresh_server: Callable[..., Any], tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path / "server")
    with field_at(server.url, tmp_path) as at:
        scene = Scene(at, tmp_path)
        try:
            controller = scene.control("--floor", "1")
            controller.shows("decided")
            server.kill()
            controller.shows("cannot control now")
            server.start()
            before = len(controller.events("decided"))
            eventually(lambda: len(controller.events("decided")) > before, 30)
            assert controller.end() == 0
        finally:
            scene.close()


def test_a_dry_run_starts_nobody_and_leads_not(scene: Scene) -> None:
    scene.at.fill(100)
    soon(scene, "night", 100, 60.0)
    dry = scene.control("--dry-run", "--once", "--json")
    assert dry.process.wait(20) == 0
    report = orjson.loads(dry.log.read_bytes().splitlines()[-1])
    assert report["consumers"] == 2
    assert report["probing"]
    assert not scene.begun
    assert anyio.run(scene.crew.count).living == 0
    assert scene.control("--once").process.wait(20) == 0
    assert anyio.run(scene.crew.count).living == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--budget", "5"], ["--budget 5", "--price"]),
        (["--hourly-budget", "5"], ["--hourly-budget 5", "--price"]),
        (["--lane", "realtime", "--price", "1", "--budget", "5"], ["--budget 5", "--hourly"]),
        (["--floor", "9", "--ceiling", "2"], ["--floor 9", "--ceiling 2"]),
        (["--currency", "dollars"], ["'dollars'", "three letters"]),
        (["--interval", "301"], ["--interval", "300"]),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: list[str], named: list[str]) -> None:
    run = subprocess.run(  # no server is needed to say so
        command(["--local", *options]), cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert all(each in run.stderr for each in named), run.stderr
