"""Waiting for jobs, and what is shown meanwhile."""

import io
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from redis.exceptions import ConnectionError
from rich.console import Console

from engine import edge
from engine.cancel import cancel
from engine.errors import ServerError
from engine.grid import Grid
from engine.job import Job, Progress, State
from engine.outcome import Counts
from engine.roster import Presence
from producer import job_views
from producer.submit import submit
from producer.wait import Look, wait
from tests.conftest import FreshServer
from tests.producer.grids import IDS, JOB, price, reopened, shelve


async def test_it_ends_when_every_trade_has_ended(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    looks: list[Look] = []
    seen = anyio.Event()

    def look(now: Look) -> None:
        looks.append(now)
        seen.set()

    async with anyio.create_task_group() as group:

        async def work() -> None:
            await seen.wait()
            await price(grid)

        group.start_soon(work)
        progress = await wait(grid, job, on_look=look)
    assert progress.well
    assert looks[0].progress.counts.in_flight == len(IDS)
    assert looks[-1].progress == progress


async def test_it_ends_when_the_job_is_cancelled(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    async with anyio.create_task_group() as group:
        group.start_soon(cancel, grid, job)
        progress = await wait(grid, job)
    assert progress.state is State.CANCELLED
    assert not progress.well


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_it_waits_no_longer_than_told(grid: Grid, seconds: float) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    progress = await wait(grid, job, at_most=seconds)
    assert progress.state is State.RUNNING
    assert not progress.ended


async def test_it_sees_the_consumers_that_live(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.roster.announce(Presence("one", ["bulk"], 2, 1))
    looks: list[Look] = []
    await wait(grid, job, at_most=0, on_look=looks.append)
    assert [[each.name for each in look.consumers] for look in looks] == [["one"]]


async def test_a_job_that_the_server_has_forgotten_is_told(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.redis.flushall()
    with pytest.raises(ServerError, match="knows no job night any more"):
        await wait(grid, job)


async def test_it_outlasts_a_restart_of_the_server(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    server = fresh_server(directory=tmp_path, config={"appendfsync": "always"})
    async with reopened(server.url) as grid:
        await shelve(grid)
        job = (await submit(grid, JOB)).job
        seen = anyio.Event()

        async def fault_and_work() -> None:
            await seen.wait()
            await to_thread.run_sync(server.kill)
            await to_thread.run_sync(server.start)
            async with reopened(server.url) as other:
                await price(other)

        async with anyio.create_task_group() as group:
            group.start_soon(fault_and_work)
            progress = await wait(grid, job, on_look=lambda _: seen.set())
    assert progress.well


async def test_a_server_that_stays_away_is_told(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.wait.PATIENCE", 0.0)
    server = fresh_server()
    async with reopened(server.url) as grid:
        await shelve(grid)
        job = (await submit(grid, JOB)).job
        grid.redis.connection_pool.connection_kwargs["retry"] = None
        server.kill()
        with pytest.raises(ConnectionError):
            await wait(grid, job)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a person sees."""
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=200, soft_wrap=True)
    monkeypatch.setattr(edge, "stderr", console)
    monkeypatch.setattr(job_views, "stderr", console)
    return seen


def look(
    *, submitted: int = 100, priced: int = 0, total: int | None = 100, consumers: int = 0
) -> Look:
    counts = Counts(submitted=submitted, priced=priced)
    living = [Presence(f"somebody-{n}", ["bulk"], 1, 4711) for n in range(consumers)]
    return Look(Progress(JOB, total, False, counts, 10.0, 5.0), living)


def test_a_person_is_told_when_no_consumer_lives(terminal: io.StringIO) -> None:
    with job_views.watching(JOB, 100) as watch:
        for _ in range(job_views.LONELY_LOOKS - 1):
            watch(look())
        assert "no consumer is running" not in terminal.getvalue()
        for _ in range(10):
            watch(look(priced=7))
    assert terminal.getvalue().count("start one with `azfinsim consume`") == 1
    assert "7 of 100" in terminal.getvalue()


def test_a_person_is_not_told_so_where_one_lives(terminal: io.StringIO) -> None:
    with job_views.watching(JOB, 100) as watch:
        for _ in range(10):
            watch(look(consumers=1))
    assert "no consumer" not in terminal.getvalue()


def test_a_person_is_told_that_a_submission_stands_still(terminal: io.StringIO) -> None:
    with job_views.watching(JOB, None) as watch:
        for _ in range(3):
            watch(look(priced=100, total=None, consumers=1))
    assert terminal.getvalue().count("`azfinsim job resume night` goes on") == 1


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with job_views.watching(JOB, 100) as watch:
        for _ in range(10):
            watch(look())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        ((None, False, Counts()), "submitting"),
        ((None, False, Counts(submitted=5, priced=5)), "submitting"),
        ((5, False, Counts(submitted=4, priced=4)), "submitting"),
        ((5, False, Counts(submitted=5, priced=4)), "running"),
        ((5, False, Counts(submitted=5, priced=4, rejected=1)), "done"),
        ((5, True, Counts(submitted=5, priced=5)), "done"),
        ((5, True, Counts(submitted=5, priced=4, cancelled=1)), "cancelled"),
        ((5, True, Counts(submitted=5, priced=4)), "cancelled"),
        ((None, True, Counts()), "cancelled"),
    ],
)
def test_the_state_follows_from_the_counts(
    progress: tuple[int | None, bool, Counts], state: str
) -> None:
    total, cancelled, counts = progress
    found = Progress(Job("j", "synthetic"), total, cancelled, counts, 1.0, 1.0)
    assert found.state == state
    ended = state == "done" or (state == "cancelled" and not counts.in_flight)
    assert found.ended is ended
    assert found.well is (state == "done" and counts.priced == counts.submitted)
