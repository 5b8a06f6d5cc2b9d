"""``azfinsim dead``, and ``job resume --rejected``, as users see them."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from azfinsim.cli import azfinsim
from engine.codec import encode_records
from engine.edge import run_command
from engine.entry import Entry, Settlement
from engine.grid import Grid
from engine.ids import by_block, parse_ids
from engine.job import Job
from engine.letter import Letter
from engine.outcome import Outcome
from producer.replay import replay
from producer.submit import find, submit
from tests.producer.commands import Command, Run
from tests.producer.grids import (
    audit,
    every_death,
    fetch,
    on_grid,
    price,
    settle,
    shelve,
    take,
)

IDS = np.arange(40, 160)
"""In two blocks."""

JOB = Job("night", "synthetic", chunk=20)

KILLED, LATE = "the pricer's process was killed by SIGKILL", "took longer than 5 s"


@pytest.fixture
def command(
    redis_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """``azfinsim`` against an empty server."""
    monkeypatch.setenv("AZFINSIM_REDIS_URL", redis_url)

    def command(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["azfinsim", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(azfinsim, "azfinsim")
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, *capfd.readouterr())

    return command


async def _end(grid: Grid, entries: Sequence[Entry]) -> None:
    """Settle entries: of each the first trade is killed, the second late, the third rejected."""
    settlements = []
    for entry in entries:
        ids = parse_ids(entry.ids).tolist()
        letters = [
            Letter(ids[0], KILLED, 3, "host-1", "File [a].py\nline 2"),
            Letter(ids[1], LATE, 2, "host-1"),
        ]
        ends = dict.fromkeys(ids, Outcome.PRICED)
        ends |= {ids[0]: Outcome.DEAD, ids[1]: Outcome.DEAD, ids[2]: Outcome.REJECTED}
        records = {
            n: encode_records({"id": i, "outcome": ends[i]} for i in part.tolist())
            for n, part in by_block(parse_ids(entry.ids))
        }
        settlements.append(
            Settlement(entry, 2**33, records, len(ids) - 3, rejected=1, letters=letters)
        )
    assert set(await grid.streams.settle(settlements)) == {1}


async def _night(grid: Grid) -> None:
    """A job of six entries, each with two dead trades."""
    await shelve(grid, IDS)
    await submit(grid, JOB)
    await _end(grid, await take(grid))


async def _well(grid: Grid) -> None:
    """Take what is queued and price it."""
    await price(grid)


def dead(run: Run) -> dict[int, str]:
    return {each["trade"]: each["job"] for each in run.json["dead"]}


def test_they_are_listed(command: Command, redis_url: str) -> None:
    on_grid(redis_url, _night)
    assert command("dead", "list", "--json").json["dead"][0] == {
        "job": "night",
        "trade": 40,
        "reason": KILLED,
        "attempts": 3,
        "consumer": "host-1",
        "traceback": "File [a].py\nline 2",
    }
    listed = command("dead", "list", "--job", "night", "--reason", "TOOK longer", "--json")
    assert dead(listed) == dict.fromkeys(range(41, 160, 20), "night")
    shown = command("dead", "list")
    assert (shown.code, shown.out) == (0, "")
    line = f"job night, trade 140: {KILLED} (begun 3 times, given up by host-1)"
    assert line in shown.err.splitlines()
    traced = command("dead", "list", "--traceback")
    assert "job night, trade 40: " + KILLED in traced.err
    assert "File [a].py\nline 2" in traced.err
    assert "it was killed before it could tell" in traced.err


def test_where_nothing_is_dead(command: Command, redis_url: str) -> None:
    on_grid(redis_url, lambda grid: shelve(grid, IDS))
    on_grid(redis_url, lambda grid: submit(grid, JOB))
    assert command("dead", "list", "--json").json == {"dead": []}
    assert "no such trade is dead" in command("dead", "list", "--job", "night").err
    assert "nothing is dead" in command("dead", "list").err
    run = command("dead", "replay", "--all", "--json")
    assert (run.code, run.json) == (0, {"replayed": 0, "jobs": {}})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--job", "day"), "there is no job day"),
        (("replay",), "either --job JOB or --all"),
        (("purge", "--all", "--job", "night"), "either --job JOB or --all"),
        (("purge", "--job", "a b"), "must be 1 to 64 letters"),
    ],
)
def test_wrong_usage_is_told(
    command: Command, redis_url: str, arguments: tuple[str, ...], words: str
) -> None:
    run = command("dead", *arguments)
    assert run.code == 2
    assert words in run.err


def test_replayed_they_are_priced_and_all_adds_up(command: Command, redis_url: str) -> None:
    """G1, G5: each in an entry of its own, as a suspect."""

    async def check(grid: Grid) -> None:
        entries = await take(grid)
        assert sorted(entry.ids for entry in entries) == sorted(map(str, range(41, 160, 20)))
        assert all(entry.suspect for entry in entries)
        await settle(grid, entries)

    on_grid(redis_url, _night)
    run = command("dead", "replay", "--job", "night", "--reason", "took longer", "--json")
    assert (run.code, run.json) == (0, {"replayed": 6, "jobs": {"night": 6}})
    status = command("job", "status", "night", "--json").json
    assert (status["submitted"], status["dead"], status["in_flight"]) == (120, 6, 6)
    assert set(dead(command("dead", "list", "--json"))) == set(range(40, 160, 20))
    on_grid(redis_url, check)
    assert command("dead", "replay", "--all", "--json").json["replayed"] == 6
    on_grid(redis_url, _well)
    run = command("job", "resume", "night", "--rejected", "--json")
    assert run.json["queued_again"] == 6
    on_grid(redis_url, _well)
    assert command("dead", "list", "--json").json == {"dead": []}
    on_grid(redis_url, lambda grid: audit(grid, IDS))
    assert command("job", "wait", "night").code == 0


def test_dead_again_they_are_listed_again(command: Command, redis_url: str) -> None:
    """G5."""

    async def die(grid: Grid) -> None:
        settlements = []
        for entry in await take(grid):
            letter = Letter(int(entry.ids), "again", 5, "host-2")
            records = {int(entry.ids) // 100: encode_records([{"id": letter.trade, **_DEAD}])}
            settlements.append(Settlement(entry, 2**33, records, letters=[letter]))
        await grid.streams.settle(settlements)

    on_grid(redis_url, _night)
    command("dead", "replay", "--job", "night")
    on_grid(redis_url, die)
    listed = command("dead", "list", "--json").json["dead"]
    assert {(each["reason"], each["consumer"]) for each in listed} == {("again", "host-2")}
    status = command("job", "status", "night", "--json").json
    assert (status["state"], status["submitted"], status["dead"]) == ("done", 120, 12)


_DEAD = {"outcome": "dead", "reason": "again", "attempts": 5}


def test_purged_they_stay_dead_and_are_not_replayed(command: Command, redis_url: str) -> None:
    on_grid(redis_url, _night)
    before = command("job", "status", "night", "--json").json
    run = command("dead", "purge", "--job", "night", "--reason", "sigkill", "--json")
    assert run.json == {"purged": 6, "jobs": {"night": 6}}
    assert set(dead(command("dead", "list", "--json"))) == set(range(41, 160, 20))
    assert command("job", "status", "night", "--json").json == before
    assert command("dead", "replay", "--all", "--json").json["replayed"] == 6
    assert command("dead", "purge", "--all").code == 0
    on_grid(redis_url, _well)
    assert command("job", "resume", "night", "--json").json["queued_again"] == 0
    assert command("job", "status", "night", "--json").json["dead"] == 6


def test_a_cancelled_job_is_left_out(command: Command, redis_url: str) -> None:
    async def cancelled(grid: Grid) -> None:
        await shelve(grid, IDS)
        await submit(grid, JOB)
        await _end(grid, await take(grid, 1))

    async def other(grid: Grid) -> None:
        await submit(grid, replace(JOB, name="day"))
        await _end(grid, await take(grid))

    on_grid(redis_url, cancelled)
    assert command("job", "cancel", "night").code == 0
    run = command("dead", "replay", "--job", "night")
    assert run.code == 2
    assert "`azfinsim job resume night` revives it" in run.err
    on_grid(redis_url, other)
    run = command("dead", "replay", "--all", "--json")
    assert (run.code, run.json) == (1, {"replayed": 12, "jobs": {"day": 12}})
    assert "job night is cancelled" in run.err


@pytest.mark.parametrize("partitions", [1, 3])
async def test_killed_at_any_call_it_can_be_run_again(redis_url: str, partitions: int) -> None:
    """G1, G2: what was replayed ends once, whoever died over it."""

    async def check(grid: Grid) -> None:
        job = await find(grid, JOB.name)
        progress = await grid.jobs.progress(job)
        assert progress.counts.submitted == progress.counts.ended + progress.counts.in_flight
        assert not progress.well
        # It does not pass for done while trades are neither dead any more nor queued yet.
        assert not progress.ended or len(await fetch(grid, job)) == progress.total
        await _replay(grid)
        await settle(grid, await take(grid))
        progress = await grid.jobs.progress(job)
        assert progress.ended
        assert (progress.counts.submitted, progress.counts.dead) == (progress.total, 0)
        given = np.concatenate(list((await grid.jobs.manifest(job)).values()))
        assert [record["id"] for record in await fetch(grid, job)] == given.tolist()
        assert await grid.letters.counts([JOB.name]) == [0]

    async def _replay(grid: Grid) -> None:
        job = await find(grid, JOB.name)
        trades = {letter.trade for letter in await grid.letters.of(job.name)}
        await replay(grid, job, trades)

    await every_death(redis_url, partitions, _replay, check, before=_night)
