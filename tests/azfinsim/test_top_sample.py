"""What two samples of a grid tell of its pace, and how a sample is fitted into a terminal."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from azfinsim.top.live import PACE_OVER, Board
from azfinsim.top.look import summed
from azfinsim.top.sample import Pace, Queue, Sample, Seen, Server, order, pace
from azfinsim.top.views import picture, shares
from engine.job import Job, Lane, Progress
from engine.outcome import Counts
from engine.roster import Presence

EMPTY = dict.fromkeys(Lane, Queue(0, 0, 0.0))


def seen(name: str, priced: int, now: float, **fields: object) -> Progress:
    """A job of a million trades, submitted at time 100."""
    job = Job(name, "synthetic", submitted_at=100.0)
    counts = Counts(submitted=1_000_000, priced=priced)
    return replace(Progress(job, 1_000_000, False, counts, now, 0.0), **fields)  # type: ignore[arg-type]


def sample(at: float, jobs: Sequence[Progress] = (), **fields: object) -> Sample:
    return replace(Sample(at, 1, EMPTY, 0, jobs, {}, ()), **fields)  # type: ignore[arg-type]


def test_the_pace_is_what_was_settled_between_two_looks() -> None:
    before = sample(200.0, [seen("a", 100, 200.0), seen("b", 7, 200.0)])
    now = sample(202.0, [seen("a", 300, 202.0), seen("b", 7, 202.0)])
    told = pace(before, now)
    assert told.jobs == {"a": 100.0, "b": 0.0}
    assert told.lanes == {Lane.HIGH: 0.0, Lane.BULK: 100.0, Lane.REALTIME: 0.0}


def test_a_job_that_is_new_is_counted_and_one_that_was_not_seen_is_not() -> None:
    both = [seen("old", 500, 102.0)]
    assert pace(sample(99.0), sample(101.0, both)).jobs == {"old": 250.0}
    assert pace(sample(101.0), sample(103.0, both)).jobs == {}


def test_a_job_that_ended_and_is_shown_no_more_counts_for_its_lane() -> None:
    before, now = sample(200.0, [seen("short", 0, 200.0)]), seen("short", 1_000_000, 202.0)
    assert pace(before, sample(202.0, over=[now])).lanes[Lane.BULK] == 500_000


def test_a_name_that_stands_for_another_job_by_now_is_counted_anew() -> None:
    before, now = seen("a", 900, 99.0), seen("a", 50, 101.0)
    before = replace(before, job=replace(before.job, submitted_at=50.0))
    assert pace(sample(99.0, [before]), sample(101.0, [now])).jobs == {"a": 25.0}


@pytest.mark.parametrize(
    ("calls", "inside", "rate"), [(150, 10, 45.0), (60, 0, 10.0), (None, 0, None), (0, 0, 0.0)]
)
def test_calls_that_have_ended_are_those_that_came_and_are_not_there(
    calls: int | None, inside: int, rate: float | None
) -> None:
    queues = {**EMPTY, Lane.REALTIME: Queue(inside // 2, inside - inside // 2, 0.0)}
    before = sample(10.0, calls=40)
    now = sample(12.0, calls=calls, queues=queues)
    expected = rate if calls != 150 else (150 - 40 - 10) / 2
    assert pace(before, now).lanes.get(Lane.REALTIME) == expected


def test_the_same_moment_has_no_pace() -> None:
    assert pace(sample(5.0), sample(5.0)) == Pace()


def test_what_runs_stands_before_what_waits_and_what_has_ended() -> None:
    done = seen("done", 1_000_000, 200.0)
    waiting = seen("waiting", 0, 200.0)
    waiting = replace(waiting, job=replace(waiting.job, after="done"))
    jobs = [done, waiting, seen("running", 1, 200.0)]
    assert [each.job.name for each in order(jobs)] == ["running", "waiting", "done"]


async def test_rates_are_taken_over_some_seconds() -> None:
    board = Board()
    for second in range(20):
        board.add(sample(100.0 + second, [seen("a", second * 10, 100.0 + second)]))
    assert board.samples[-1].at - board.samples[0].at == PACE_OVER
    assert board.pace.jobs == {"a": 10.0}
    # After a while without an answer, over all of that.
    board.add(sample(200.0, [seen("a", 190, 200.0)]))
    assert len(board.samples) == 2
    assert board.word(1.0).plain == "q quits"
    board.trouble = "gone\nand away"
    assert board.word(1.0).plain.endswith("this is how it was: gone")


@given(st.integers(-5, 100), st.integers(0, 300), st.integers(0, 300))
def test_rows_and_what_is_said_of_the_others_fit(lines: int, jobs: int, consumers: int) -> None:
    shown, living = shares(lines, jobs, consumers)
    assert 0 <= shown <= jobs
    assert 0 <= living <= consumers
    taken = shown + (shown < jobs) + living + (living < consumers)
    assert taken <= max(lines, 4)
    # No line is left empty while somebody is left out.
    assert (shown, living) == (jobs, consumers) or taken == max(lines, 4)


@pytest.mark.parametrize("size", [(80, 24), (140, 50), (80, 15)])
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_a_full_grid_fits_into_a_terminal(size: tuple[int, int], rows: int) -> None:
    width, height = size
    console = Console(width=width, height=height, force_terminal=False)
    lines = console.render_lines(
        picture(full(rows), Pace(), "redis://grid.example", height, Text("q quits")), pad=False
    )
    texts = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert len(texts) <= height
    assert "q quits" in texts
    shown = [line for line in texts if line.startswith("job-")]
    if rows:
        assert shown
        # No number is cut short, whatever else is.
        assert all("10,000,000" in line and " 2096-10-0" in line for line in shown)
        assert any(line.endswith("7 s draining") for line in texts)
    if rows == 40:
        assert any("more jobs" in line for line in texts)
        assert any("more consumers" in line for line in texts)


def full(rows: int) -> Sample:
    counts = Counts(submitted=10_000_000, priced=9_987_000, rejected=12_345)
    jobs = [
        seen("job-of-a-rather-long-name-" + "x" * 20, 0, 200.0, counts=counts, total=10_000_000)
        for _ in range(rows)
    ]
    jobs = [replace(each, job=replace(each.job, by=4e9)) for each in jobs]
    lanes = ["realtime", "high", "bulk"]
    one = Presence(
        "a-node-of-some-pool-0001-4711-abcdef01", lanes, 64, 1, 10**9, True, {}, "night/1",
        "a-host-of-some-pool-0001", 64, 123_456.7, 12 * 10**9,
    )  # fmt: skip
    queues = {lane: Queue(1_234_567, 12_345, 12_345.0) for lane in Lane}
    server = Server("Valkey 9.1.2", 3, 10**11, 2 * 10**11, 1_234, 123_456)
    consumers = [Seen(one, 7.0)] * rows
    return sample(200.0, jobs, queues=queues, consumers=consumers, server=server)


def test_a_server_of_several_nodes_is_summed_up() -> None:
    node = {
        "redis_version": "7.4.2",
        "used_memory": 10,
        "maxmemory": 100,
        "connected_clients": 2,
        "instantaneous_ops_per_sec": 5,
    }
    assert summed([node, node]) == Server("Redis 7.4.2", 2, 20, 200, 4, 10)
    assert summed([{**node, "maxmemory": 0, "valkey_version": "9.1.2"}]) == Server(
        "Valkey 9.1.2", 1, 10, None, 2, 5
    )
