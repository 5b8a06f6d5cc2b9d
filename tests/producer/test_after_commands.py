"""``azfinsim job`` for jobs that follow others, as its users call it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from engine import edge
from engine.cancel import cancel
from engine.grid import Grid
from engine.job import Progress
from engine.outcome import Counts
from engine.roster import Presence
from producer import job_views
from producer.submit import find
from producer.wait import Look
from tests.producer.commands import REPORT, Command
from tests.producer.following import look
from tests.producer.grids import IDS, JOB, on_grid, price

WAITING = replace(JOB, after="first")


def submitted(job: Command, name: str, *arguments: str) -> None:
    assert job("submit", "--name", name, "--algorithm", "synthetic", *arguments).code == 0


async def cancel_first(grid: Grid) -> None:
    await cancel(grid, await find(grid, "first"))
    await look(grid)


def test_a_job_that_waits_is_shown_with_its_reason(job: Command, redis_url: str) -> None:
    submitted(job, "first")
    run = job("submit", "--name", "night", "--algorithm", "synthetic", "--after", "first", "--json")
    assert list(run.json) == [*REPORT, "after", "reason", "missing"]
    assert (run.json["state"], run.json["in_flight"]) == ("waiting", len(IDS))
    seen = job("status", "night", "--json").json
    assert (seen["after"], seen["reason"]) == ("first", "waits for job first to end well")
    assert "waits for job first to end well" in job("status", "night").err
    assert "waiting" in job("list").err
    assert [each["state"] for each in job("list", "--json").json["jobs"]] == ["waiting", "running"]
    late = job("wait", "night", "--timeout", "0", "--json")
    assert (late.code, late.json["state"]) == (1, "waiting")
    on_grid(redis_url, price)
    on_grid(redis_url, look)
    on_grid(redis_url, price)
    ended = job("wait", "night", "--json")
    assert (ended.code, list(ended.json)) == (0, [*REPORT, "after"])


def test_it_need_not_end_well_for_after_any(job: Command, redis_url: str) -> None:
    submitted(job, "first")
    submitted(job, "night", "--after-any", "first")
    assert job("status", "night", "--json").json["reason"] == "waits for job first to end"
    on_grid(redis_url, cancel_first)
    on_grid(redis_url, price)
    assert job("wait", "night").code == 0


def test_waiting_for_one_that_is_cancelled_tells_why(job: Command, redis_url: str) -> None:
    submitted(job, "first")
    submitted(job, "night", "--after", "first")
    on_grid(redis_url, cancel_first)
    run = job("wait", "night", "--json")
    assert (run.code, run.json["state"]) == (1, "cancelled")
    assert run.json["reason"] == "job first was cancelled"
    assert "job first was cancelled" in job("wait", "night").err


def test_resuming_it_tells_the_ways_out(job: Command, redis_url: str) -> None:
    submitted(job, "first")
    submitted(job, "night", "--after", "first")
    on_grid(redis_url, cancel_first)
    run = job("resume", "night", "--json")
    assert (run.code, run.out) == (2, "")
    assert "once job first has ended well, but job first was cancelled" in run.err
    assert "`azfinsim job resume night --now`" in run.err
    # First what it follows; or at once.
    job("resume", "first")
    assert job("resume", "night", "--json").json["state"] == "waiting"
    assert job("resume", "night", "--now", "--json").json["state"] == "running"
    on_grid(redis_url, look)
    on_grid(redis_url, price)
    assert job("wait", "night").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--after", "nobody"], "--after: there is no job nobody: `azfinsim job list`"),
        (["--after-any", "nobody"], "--after-any: there is no job nobody"),
        (["--after", "a b"], "--after: job 'a b': must be 1 to 64"),
        (["--after", "a", "--after-any", "b"], "--after and --after-any: a job follows one other"),
    ],
)
def test_what_cannot_be_followed_is_wrong_usage(
    job: Command, arguments: list[str], words: str
) -> None:
    run = job("submit", *arguments)
    assert (run.code, run.out) == (2, "")
    assert words in run.err
    assert job("list", "--json").json == {"jobs": []}


def test_who_waits_for_it_is_told_once_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=200, soft_wrap=True)
    monkeypatch.setattr(edge, "stderr", console)
    monkeypatch.setattr(job_views, "stderr", console)
    seen_once = Look(
        Progress(WAITING, 100, False, Counts(submitted=100), 10.0, 0.0),
        [Presence("somebody", ["bulk"], 1, 4711)],
    )
    with job_views.watching(WAITING, 100) as watch:
        for _ in range(5):
            watch(seen_once)
    assert seen.getvalue().count("job night waits for job first to end well") == 1
    assert "no consumer" not in seen.getvalue()
