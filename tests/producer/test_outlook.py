"""Who serves a job, and when it will be done by what they have settled of late."""

from dataclasses import replace

import pytest

from engine.job import Job, Lane, Progress
from engine.outcome import Counts
from engine.roster import Presence
from producer.outlook import outlook, unserved

JOB = Job("night", "pvonly", submitted_at=1_000.0, pricer_version="1")
NIGHT = Progress(JOB, 2_000, False, Counts(submitted=2_000, priced=1_000), 11_000.0, 11_000.0)
"""At a tenth of a trade a second on average: nobody was there most of the time."""

ONE = Presence("one", ["high", "bulk"], 2, 1, rate=60.0)


def test_what_is_left_takes_as_long_as_the_rate_of_late_says() -> None:
    seen = outlook(NIGHT, [ONE, replace(ONE, name="two", rate=40.0)], [NIGHT])
    assert (seen.serving, seen.rate, seen.lonely) == (2, 100.0, None)
    assert seen.expected_at == NIGHT.now + 1_000 / 100


@pytest.mark.parametrize(
    ("consumer", "words"),
    [
        (replace(ONE, lanes=["realtime"]), "none of the consumers that run (1)"),
        (replace(ONE, draining=True), "none of the consumers that run (1)"),
        (replace(ONE, lacking={"pvonly 1": "another version"}), "none of the consumers"),
        (None, "no consumer is running"),
    ],
)
def test_nothing_is_expected_where_nobody_serves(consumer: Presence | None, words: str) -> None:
    consumers = [consumer] if consumer is not None else []
    seen = outlook(NIGHT, consumers, [NIGHT])
    assert (seen.serving, seen.rate, seen.expected_at) == (0, None, None)
    assert words in str(seen.lonely)
    assert unserved([NIGHT], consumers) == ["night"]
    assert unserved([NIGHT], [ONE]) == []


@pytest.mark.parametrize("rate", [None, 0.0, 40.0])
def test_a_chunk_or_less_is_no_rate(rate: float | None) -> None:
    seen = outlook(NIGHT, [replace(ONE, rate=rate)], [NIGHT])
    assert (seen.rate, seen.expected_at) == (None, NIGHT.expected_at)


@pytest.mark.parametrize(
    ("lane", "submitted_at", "ahead"),
    [(Lane.BULK, 900.0, 500), (Lane.HIGH, 1_100.0, 500), (Lane.BULK, 1_100.0, 0)],
)
def test_what_is_queued_before_it_comes_first(lane: Lane, submitted_at: float, ahead: int) -> None:
    job = replace(JOB, name="other", lane=lane, submitted_at=submitted_at)
    other = replace(NIGHT, job=job, total=500, counts=Counts(submitted=500))
    seen = outlook(NIGHT, [replace(ONE, rate=50.0)], [NIGHT, other])
    assert seen.expected_at == NIGHT.now + (1_000 + ahead) / 50


def test_what_others_serve_is_not_before_it() -> None:
    job = replace(JOB, name="other", lane=Lane.HIGH)
    other = replace(NIGHT, job=job, total=500, counts=Counts(submitted=500))
    bulk_only = replace(ONE, lanes=["bulk"], rate=50.0)
    seen = outlook(NIGHT, [bulk_only, replace(ONE, name="two", lanes=["high"])], [NIGHT, other])
    assert seen.expected_at == NIGHT.now + 1_000 / 50
