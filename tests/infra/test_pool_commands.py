"""``azfinsim pool`` on a counterpart of Batch: real commands, real consumers, from up to down."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.job import Job
from producer.client_sync import connect_sync
from producer.generate import generate
from tests.infra.batch_double.server import BatchDouble, batch_double
from tests.infra.batch_double.users import azfinsim
from tests.processes import Field, field_at, prices, synthetic
from tests.waiting import eventually

TRADE = generate(1, 0, 1).row(0)

TRADES = 300


@pytest.fixture
def double(tmp_path: Path) -> Iterator[BatchDouble]:
    with batch_double(tmp_path) as made:
        made.pool("bulk", slots=2, spot=2)
        made.pool("realtime", dedicated=1)
        yield made


@pytest.fixture
def field(redis_url: str, tmp_path: Path) -> Iterator[Field]:
    with field_at(redis_url, tmp_path) as made:
        yield made


def serving(field: Field, count: int) -> None:
    eventually(lambda: len(field.living()) == count, 30, f"{count} consumers that serve")


def test_a_whole_job_with_a_node_lost(double: BatchDouble, field: Field, tmp_path: Path) -> None:
    """G1, G2, G4: up, submit, a Spot node lost in the middle, down; all adds up."""

    def pool(*words: str) -> Any:
        run = azfinsim(double, tmp_path, field.url, "pool", *words, "--json")
        assert run.code == 0, run.err
        return run.json

    up = pool("up", "--consumers", "3", "--slots", "1", "--name", "night")
    assert (up["job"], up["pool"], up["consumers"], up["added"]) == ("night-1", "bulk", 3, 3)
    serving(field, 3)
    assert pool("up", "--consumers", "3", "--slots", "1", "--name", "night")["added"] == 0
    field.fill(TRADES)
    job = field.submit(synthetic("night", 10.0, chunk=5))
    eventually(lambda: field.ended(job) > 50, what="a job in full swing")
    with double.account.lock:
        lost = next(node for node in double.account.pools["bulk"].nodes if len(node.running) == 2)
    double.account.lose("bulk", lost)
    # One goes to where there is room, and one waits until the pool has another node.
    tasks = double.account.jobs["night-1"].tasks.values()
    eventually(lambda: sum(task.requeues for task in tasks) == 2, what="requeued tasks")
    double.account.resize("bulk", 0, 2)
    # What was bought for the night serves who waits, too.
    with connect_sync(field.url) as grid:
        assert grid.price(TRADE, deadline=30).consumer in {each.name for each in field.living()}
    status = pool("status")
    [crew] = status["crews"]
    assert (crew["living"], crew["requeued"], crew["failed"]) == (3, 2, 0)
    assert status["pools"][0]["spot"]["preempted"] == 1
    assert field.done(job).well
    records = field.records(job)
    assert [record["id"] for record in records] == list(range(TRADES))
    assert len(set(prices(records))) == TRADES
    assert field.progress(job).counts.priced == TRADES
    down = pool("down", "--name", "night")
    assert down["by_force"] == 0
    assert double.account.jobs["night-1"].state == "completed"
    # Each left by itself, and nobody had to be killed.
    assert {task.exit_code for task in tasks} == {0}
    assert field.living() == []


def test_dismissed_consumers_hand_back(double: BatchDouble, field: Field, tmp_path: Path) -> None:
    """G7: in the middle of a job, at no attempt, and others go on."""
    field.fill(200)
    assert azfinsim(double, tmp_path, field.url, "pool", "up", "--consumers", "3").code == 0
    serving(field, 3)
    job = field.submit(Job("night", "tests.pricers:sleepy", chunk=2, options={"seconds": 0.05}))
    eventually(lambda: field.ended(job) > 10, what="a job in full swing")
    assert azfinsim(double, tmp_path, field.url, "pool", "down", "--keep", "1").code == 0
    serving(field, 1)
    tasks = double.account.jobs["bulk-1"].tasks.values()
    eventually(lambda: sum(t.exit_code == 0 for t in tasks) == 2, what="tasks that have ended")
    assert field.done(job).well
    assert {record["attempts"] for record in field.records(job)} == {1}
    now = azfinsim(double, tmp_path, field.url, "pool", "down", "--now", "--json")
    assert now.json["by_force"] == 1


def test_realtime_goes_to_its_own_pool(double: BatchDouble, field: Field, tmp_path: Path) -> None:
    run = azfinsim(
        double, tmp_path, field.url, "pool", "up", "--consumers", "1", "--lane", "realtime"
    )
    assert run.code == 0
    assert "as tasks of job realtime-1 on pool realtime" in run.err
    serving(field, 1)
    [living] = field.living()
    assert (living.lanes, living.crew) == (["realtime"], "realtime-1/consumer-00001")
    # Stays when idle, and as long as Batch lets it: somebody waits for its answers.
    [task] = double.account.jobs["realtime-1"].tasks.values()
    assert "idle" not in task.asked["commandLine"]
    assert "maxWallClockTime" not in task.asked["constraints"]


def test_nothing_secret_can_be_read(double: BatchDouble, field: Field, tmp_path: Path) -> None:
    """G10: a password is refused in the configuration, and the token is told to Batch alone."""
    secret = "redis://:of-the-admin@127.0.0.1:1"
    run = azfinsim(double, tmp_path, secret, "pool", "up", "--consumers", "1")
    assert run.code == 2
    assert "may hold no secret" in run.err
    assert "of-the-admin" not in run.err
    azfinsim(double, tmp_path, field.url, "pool", "up", "--consumers", "1")
    serving(field, 1)
    [task] = double.account.jobs["bulk-1"].tasks.values()
    assert double.token not in str(task.asked)
    seen = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True)
    assert re.search("azfinsim consume --lane realtime,high,bulk", seen.stdout)
    assert double.token not in seen.stdout


def test_status_without_the_grid(double: BatchDouble, tmp_path: Path) -> None:
    """From a machine that does not reach the server, which up and status do without."""
    double.account.execute = False
    nowhere = "redis://127.0.0.1:1"
    assert azfinsim(double, tmp_path, nowhere, "pool", "up", "--consumers", "2").code == 0
    run = azfinsim(double, tmp_path, nowhere, "pool", "status")
    assert run.code == 0
    assert "crew bulk (job bulk-1, active): 2 queued" in run.err
    assert "its consumers are not shown: no Redis server answers" in run.err
    down = azfinsim(double, tmp_path, nowhere, "pool", "down")
    assert down.code == 3
    assert double.account.jobs["bulk-1"].state == "active"
    assert azfinsim(double, tmp_path, nowhere, "pool", "down", "--now").code == 0
    assert double.account.jobs["bulk-1"].state == "completed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["up"], "Missing option '--consumers'"),
        (["up", "--consumers", "0"], "is not in the range"),
        (["up", "--consumers", "1", "--name", "Night"], "lower-case letters"),
        (["up", "--consumers", "1", "--config", "nowhere.json"], "there is no nowhere.json"),
    ],
)
def test_wrong_usage(double: BatchDouble, tmp_path: Path, words: list[str], told: str) -> None:
    run = azfinsim(double, tmp_path, "redis://127.0.0.1:1", "pool", *words)
    assert run.code == 2
    assert told in run.err


def test_a_pool_that_is_not_there(double: BatchDouble, tmp_path: Path) -> None:
    """Batch itself would take the job, and run nothing."""
    del double.account.pools["realtime"]
    run = azfinsim(double, tmp_path, "redis://127.0.0.1:1", "pool", "up", "--consumers", "1")
    assert run.code == 3
    assert "The specified pool does not exist. `azfinsim infra deploy` makes the pools" in run.err
    assert not double.account.jobs
