"""``azfinsim pool --local``: processes that outlive the command, and end when they are told to."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import psutil
import pytest

from engine import keys
from engine.address import Address
from engine.errors import ServerError, UsageError
from engine.job import Job
from infra.pool.consumers import Consumers, Count
from infra.pool.local import LocalCrew, state_folder
from infra.pool.local_process import _SCRIPT, LocalProcess
from infra.pool.plan import Order, PoolLane
from producer.client_sync import connect_sync
from producer.generate import generate
from tests.processes import Field, field_at, synthetic
from tests.producer.commands import Run
from tests.waiting import eventually, gone

TRADE = generate(1, 0, 1).row(0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What the command line runs on."""
    return "asyncio", {"use_uvloop": True}


@dataclass
class Local:
    """A machine's crews, and a grid for them."""

    field: Field
    state: Path

    def pool(self, *words: str, url: str | None = None) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "azfinsim", "pool", *words, "--local", "--state", self.state],
            env={**os.environ, "AZFINSIM_REDIS_URL": url or self.field.url},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Run(done.returncode, done.stdout, done.stderr)

    def crew(self, name: str = "bulk") -> LocalCrew:
        order = Order(name, PoolLane.BULK, slots=1)
        return LocalCrew(self.state, order, Address.parse(self.field.url), os.environ)

    def processes(self) -> list[LocalProcess]:
        return [one for path in self.state.glob("*") for one in self.crew(path.name).processes()]


@pytest.fixture
def local(redis_url: str, tmp_path: Path) -> Iterator[Local]:
    with field_at(redis_url, tmp_path) as field:
        made = Local(field, tmp_path / "state")
        try:
            yield made
        finally:
            for each in made.processes():
                each.kill()
            eventually(lambda: not any(each.living for each in made.processes()))


def test_up_submit_down(local: Local) -> None:
    up = local.pool("up", "--consumers", "2", "--slots", "1", "--json").json
    assert (up["added"], up["consumers"], up["serving"]) == (2, 2, 2)
    again = local.pool("up", "--consumers", "3", "--slots", "1", "--json").json
    assert (again["added"], again["serving"]) == (1, 3)
    pids = local.pool("status", "--json").json["crews"][0]["pids"]
    assert sorted(pids) == ["consumer-00001", "consumer-00002", "consumer-00003"]
    assert {each.pid for each in local.field.living()} == set(pids.values())
    # They belong to nobody: whoever started them may go, or may stay for weeks.
    assert all(psutil.Process(pid).ppid() != os.getpid() for pid in pids.values())
    local.field.fill(100)
    assert local.field.done(local.field.submit(synthetic("night", 1.0))).well
    with connect_sync(local.field.url) as grid:
        assert grid.price(TRADE, deadline=30).consumer in {
            each.name for each in local.field.living()
        }
    assert "local.bulk" in local.pool("status").err
    down = local.pool("down", "--json").json
    assert (down["left"], down["by_force"]) == (3, 0)
    assert all(gone(pid) for pid in pids.values())
    assert local.field.living() == []
    assert local.pool("down").code == 0


def test_a_password_is_in_no_argument(local: Local) -> None:
    """G10."""
    secret = "se-cr-et"
    local.field.run(lambda grid: grid.redis.acl_setuser(
        "consumer", enabled=True, passwords=[f"+{secret}"], categories=["+@all"], keys=["*"],
    ))  # fmt: skip
    path = local.field.url.removeprefix("unix://")
    run = local.pool("up", "--consumers", "1", url=f"unix://consumer:{secret}@{path}")
    assert run.code == 0, run.err
    [process] = [psutil.Process(each.pid) for each in local.field.living()]
    everybody = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True)
    assert "-m consumer --lane" in everybody.stdout
    assert secret not in everybody.stdout + run.err + " ".join(process.cmdline())
    local.field.run(lambda grid: grid.redis.acl_deluser("consumer"))


def test_one_that_cannot_start_is_told(local: Local) -> None:
    run = local.pool("up", "--consumers", "1", "--lane", "realtime", url="redis://127.0.0.1:1")
    assert run.code == 3
    assert "no Redis server answers" in run.err
    assert not local.processes()
    run = local.pool("status", url="redis://127.0.0.1:1")
    state = f"--local --state {local.state}"
    assert f"start one with `azfinsim pool up --consumers 2 {state}`" in run.err


def test_what_is_told_can_be_typed(local: Local) -> None:
    up = local.pool("up", "--consumers", "1", "--slots", "1", "--name", "night")
    [end] = re.findall("`azfinsim pool (down .*)`", up.err)
    assert local.pool(*end.split()).code == 0
    assert not any(each.living for each in local.processes())


def test_processes_are_shown_though_the_server_is_away(local: Local) -> None:
    local.pool("up", "--consumers", "1", "--slots", "1")
    run = local.pool("status", url="redis://127.0.0.1:1")
    assert run.code == 3
    assert "crew bulk" in run.err
    assert "1 running" in run.err
    assert "the server is not reached" in run.err
    run = local.pool("status", "--json", url="redis://127.0.0.1:1")
    assert (run.code, run.json["crews"][0]["running"], run.json["consumers"]) == (3, 1, None)


@pytest.mark.parametrize("more", [[], ["--keep", "1"], ["--now"]])
def test_one_that_never_was_is_not_made_by_ending_it(local: Local, more: list[str]) -> None:
    assert "no crew typo here; nor another" in local.pool("down", "--name", "typo", *more).err
    local.pool("up", "--consumers", "1", "--slots", "1", "--name", "night")
    run = local.pool("down", "--name", "typo", *more)
    assert (run.code, "there are: night" in run.err) == (0, True)
    assert [path.name for path in local.state.iterdir()] == ["night"]
    found = local.field.run(lambda grid: grid.redis.exists(keys.taken_down("local.typo")))
    assert not found


async def test_a_controller_sets_their_number(local: Local) -> None:
    crew: Consumers = local.crew()
    assert await crew.count() == Count()
    assert await crew.set(3) == 3
    assert (await crew.count()).living == 3
    assert await crew.set(3) == 0
    children = psutil.Process().children()
    assert not any("consumer" in " ".join(child.cmdline()) for child in children)
    assert await crew.set(1) == -2
    assert (await crew.count()).living == 1
    last = local.processes()[-1]
    eventually(lambda: not last.living, 20, "one that has left")
    # A number that is free is given again.
    await crew.set(3)
    assert last.living


async def test_one_that_was_killed_is_replaced(local: Local) -> None:
    crew = local.crew()
    await crew.set(2)
    first = local.processes()[0]
    first.kill()
    eventually(lambda: not first.living, what="a process that is gone")
    assert (await crew.count()).living == 1
    assert await crew.set(2) == 1
    assert first.living


async def test_who_may_not_act_any_more_starts_and_ends_nobody(local: Local) -> None:
    async def fence() -> None:
        raise ServerError("somebody else leads")

    crew = local.crew()
    with pytest.raises(ServerError, match="somebody else leads"):
        await crew.set(1, fence)
    assert not local.processes()


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


async def test_a_number_that_has_passed_on_is_nobodys(
    local: Local, stranger: "subprocess.Popen[bytes]"
) -> None:
    """A stale file with the process ID of somebody else."""
    crew = local.crew()
    crew.folder.mkdir(parents=True)
    (crew.folder / "consumer-00001.lock").write_text(str(stranger.pid))
    assert (await crew.count()).living == 0
    assert local.processes()[0].pid is None
    await crew.end(1.0, lambda _: None)
    assert stranger.poll() is None


async def test_those_that_do_not_leave_are_killed(local: Local) -> None:
    crew = local.crew()
    await crew.set(1)
    [process] = local.processes()
    await anyio.to_thread.run_sync(lambda: eventually(local.field.living, 20, "one that serves"))
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    assert await crew.end(0.3, lambda _: None) == 1
    assert not process.living


def test_one_notes_its_number_itself(local: Local) -> None:
    """Whoever starts it may be killed before he could."""
    folder = local.crew().folder
    folder.mkdir(parents=True)
    lock = folder / "consumer-00001.lock"
    lock.touch()
    script = ["/bin/sh", "-c", _SCRIPT, "sh", str(lock), str(folder / "log"), "sleep", "60"]
    told = subprocess.run(script, stdout=subprocess.PIPE, check=True).stdout
    try:
        eventually(lambda: lock.read_bytes() == told, what="a number that is noted")
    finally:
        os.kill(int(told), signal.SIGKILL)


async def test_one_without_a_number_is_told(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.pool.local.TO_DIE", 0.2)
    crew = local.crew()
    crew.folder.mkdir(parents=True)
    with (crew.folder / "consumer-00001.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServerError, match="consumer-00001 of crew bulk cannot be ended"):
            await crew.end(0.1, lambda _: None)
    assert await crew.end(0.1, lambda _: None) == 0


async def test_one_command_at_a_time(local: Local) -> None:
    crew = local.crew()
    with crew._held(), pytest.raises(UsageError, match="another command is just changing"):
        await crew.set(1)


def test_what_is_priced_is_handed_back(local: Local) -> None:
    """G5, G7: as on a SIGTERM, which it is."""
    local.field.fill(120)
    local.pool("up", "--consumers", "1", "--slots", "1")
    options = {"seconds": 0.05}
    job = local.field.submit(Job("night", "tests.pricers:sleepy", chunk=2, options=options))
    eventually(lambda: local.field.ended(job), what="a job in the middle")
    assert local.pool("down", "--json").json["by_force"] == 0
    assert 0 < local.field.ended(job) < 120
    local.pool("up", "--consumers", "1")
    assert local.field.done(job).well
    assert {record["attempts"] for record in local.field.records(job)} == {1}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"XDG_STATE_HOME": "/x"}, "/x/azfinsim/crews"),
        ({"XDG_STATE_HOME": "x"}, "~/.local/state/azfinsim/crews"),
        ({}, "~/.local/state/azfinsim/crews"),
    ],
)
def test_where_crews_are_kept(given: dict[str, str], found: str) -> None:
    assert state_folder(given) == Path(found).expanduser()
