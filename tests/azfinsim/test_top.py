"""``azfinsim top`` as its user has it: in a terminal, through a pipe, and as JSON."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from azfinsim.top import look
from azfinsim.top.look import ENDED_SHOWN, Lookout
from engine.drop import drop_rest
from engine.grid import Grid
from engine.job import Lane
from producer.resume import resume
from tests.conftest import FreshServer
from tests.processes import Field, field_at, synthetic
from tests.terminal import ON_ITS_OWN_SCREEN, ON_THE_SHELLS, Terminal, in_terminal
from tests.waiting import eventually

TOP = [sys.executable, "-m", "azfinsim", "top", "--interval", "0.1"]


def env_of(url: str) -> dict[str, str]:
    """Of a terminal that tells its size, and of no other wishes."""
    others = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE"}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return {**kept, "TERM": "xterm-256color", "AZFINSIM_REDIS_URL": url}


def run(url: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*TOP, *options],
        env=env_of(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    """A grid of three partitions, with a book and no consumer."""
    with field_at(redis_url, tmp_path, partitions=3) as made:
        made.fill(3_000)
        yield made


@pytest.fixture
def terminal(field: Field) -> Iterator[Terminal]:
    """``azfinsim top`` in a terminal of 80 columns and 24 lines."""
    with in_terminal(*TOP, env=env_of(field.url)) as started:
        yield started


def test_json_is_one_object_that_tells_all(field: Field) -> None:
    [consumer] = field.serve("--slots", "1", "--lane", "realtime,high,bulk")
    job = field.submit(synthetic("night", 2.0, chunk=5, by=4e9))
    field.submit(synthetic("next", after="night"))
    eventually(lambda: field.ended(job) > 100, what="a job in full swing")
    eventually(lambda: [each.rate for each in field.living()] != [None], what="a consumer's rate")
    done = run(field.url, "--json", "--interval", "1")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    told = json.loads(done.stdout)
    night, following = told["jobs"]
    assert (night["job"], night["state"], night["submitted"]) == ("night", "running", 3_000)
    assert night["by"] == "2096-10-02T07:06:40Z"
    assert night["expected"] is not None
    assert night["per_second"] > 10
    assert (following["job"], following["state"]) == ("next", "waiting")
    lanes = {each["lane"]: each for each in told["lanes"]}
    assert list(lanes) == ["realtime", "high", "bulk"]
    assert lanes["bulk"]["waiting"] > 0
    assert lanes["bulk"]["in_flight"] > 0
    assert lanes["bulk"]["oldest"] > 0
    assert lanes["bulk"]["per_second"] == night["per_second"]
    [one] = told["consumers"]
    assert (one["name"], one["host"]) == (consumer.serving(), socket.gethostname())
    assert (one["slots"], one["busy"]) == (1, 1)
    assert one["rate"] > 10
    assert 10e6 < one["memory"] < 1e9
    assert 0 <= one["silent"] < 10
    assert told["server"]["version"].startswith("Valkey ")
    assert told["server"]["memory"] > 1e6
    assert (told["partitions"], told["dead_letters"]) == (3, {})


def test_without_a_terminal_it_is_a_plain_table(field: Field) -> None:
    name = "a-name-of-many-letters-that-nobody-cuts-short-in-a-pipe"
    field.submit(synthetic(name))
    done = run(field.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert name in done.stdout
    assert "\x1b" not in done.stdout
    assert "consumer" in done.stdout


def test_it_follows_the_window_and_q_leaves(field: Field, terminal: Terminal) -> None:
    eventually(lambda: filled(terminal, 80, 24), 20, "a picture of the window's size")
    terminal.shows("q quits")
    field.submit(synthetic("night"))
    terminal.shows("night")
    terminal.resize(140, 50)
    eventually(lambda: filled(terminal, 140, 50), 20, "a picture of the new size")
    terminal.type("q")
    assert terminal.ended() == 0
    left(terminal)


def filled(terminal: Terminal, columns: int, lines: int) -> bool:
    """Whether the latest picture, once it is written to its end, is as large as the window."""
    return [len(line) for line in terminal.screen] == [columns] * lines


def test_ctrl_c_leaves_quietly(terminal: Terminal) -> None:
    terminal.shows("q quits")
    assert terminal.modes_now != terminal.modes
    terminal.type("\x03")
    assert terminal.ended() == 0
    left(terminal)


def test_ctrl_z_gives_the_terminal_back_for_a_while(terminal: Terminal) -> None:
    terminal.shows("q quits")
    terminal.type("\x1a")
    process = psutil.Process(terminal.process.pid)
    eventually(lambda: process.status() == psutil.STATUS_STOPPED, what="a process that rests")
    left(terminal)
    drawn = len(terminal.written)
    process.resume()
    eventually(lambda: "q quits" in terminal.written[drawn:], 20, "a picture after the rest")
    terminal.type("q")
    assert terminal.ended() == 0
    left(terminal)


def left(terminal: Terminal) -> None:
    """The terminal is as it was, and nothing was said."""
    assert terminal.modes_now == terminal.modes
    before, switched, after = terminal.written.rpartition(ON_THE_SHELLS)
    assert switched
    assert ON_ITS_OWN_SCREEN in before
    assert after.replace("\x1b[?25h", "").strip() == ""


def test_it_waits_for_a_server_that_is_away(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path / "data")
    with field_at(server.url, tmp_path) as field:
        field.fill(100)
        field.submit(synthetic("night"))
    with in_terminal(*TOP, env=env_of(server.url)) as terminal:
        terminal.shows("q quits")
        server.kill()
        assert "night" in "\n".join(terminal.shows("no answer for"))
        server.start()
        terminal.shows("q quits")
        terminal.type("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("options", [[], ["--json"], ["--once"]])
def test_no_server_is_the_usual_error(options: list[str]) -> None:
    done = run("redis://127.0.0.1:1", *options)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no Redis server answers at redis://127.0.0.1:1" in done.stderr


def test_a_terminal_is_left_alone_where_there_is_no_server() -> None:
    with in_terminal(*TOP, env=env_of("redis://127.0.0.1:1")) as terminal:
        assert terminal.ended() == 3
        assert ON_ITS_OWN_SCREEN not in terminal.written
        assert "no Redis server answers" in terminal.written


def test_a_look_costs_the_same_however_many_trades(field: Field) -> None:
    """And asks for nothing that is scanned."""
    field.cancel(field.submit(synthetic("night", trades="0:100")))
    few = field.run(spent)
    field.run(lambda grid: drop_rest(grid, "night"))
    field.fill(30_000)
    field.submit(synthetic("night", chunk=1))
    assert field.run(spent) == few
    assert few["hgetall"] == field.partitions
    assert not {"keys", "scan", "hscan", "sscan", "hkeys", "hvals"} & few.keys()


def test_jobs_that_ended_long_ago_are_looked_at_less_often(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until one of them is resumed; one that goes on is not lost behind many that came later."""
    names = [f"job-{number}" for number in range(ENDED_SHOWN + 5)]
    field.submit(synthetic("going-on", trades="0:1"))
    for name in names:
        field.cancel(field.submit(synthetic(name, trades="0:1")))
    assert field.run(spent)["hmget"] == ENDED_SHOWN + 1

    async def resumed(grid: Grid) -> list[str]:
        lookout = Lookout(grid)
        first = await lookout.look()
        assert [seen.job.name for seen in first.jobs] == ["going-on", *reversed(names[5:])]
        assert {seen.job.name for seen in first.over} == set(names[:5])
        job = await grid.jobs.get(names[0])
        assert job is not None
        await resume(grid, job)
        return [seen.job.name for seen in (await lookout.look()).jobs]

    monkeypatch.setattr(look, "AGAIN", -1.0)
    assert set(field.run(resumed)[:2]) == {"going-on", names[0]}


async def spent(grid: Grid) -> dict[str, int]:
    """What a look that is not the first asks of the server: how often, by command."""
    lookout = Lookout(grid)
    await lookout.look()
    before = await _calls(grid)
    await lookout.look()
    after = await _calls(grid)
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


async def _calls(grid: Grid) -> dict[str, int]:
    told = await grid.redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()}


def test_lanes_that_nobody_has_served_are_empty(redis_url: str, field: Field) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("az:{*}:lane:*") or ["none"])
    sample = field.run(lambda grid: Lookout(grid).look())
    assert {lane: queue.waiting for lane, queue in sample.queues.items()} == dict.fromkeys(Lane, 0)
    assert sample.calls == 0
