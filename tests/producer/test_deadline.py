"""Deadlines as people write them, and when a job is expected to be done."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.job import Job, Progress
from engine.outcome import Counts
from producer.deadline import parse_deadline
from producer.job_views import summary
from producer.outlook import Outlook

NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


def at(moment: datetime) -> str:
    """How this machine's clock shows it."""
    return f"{moment.astimezone():%H:%M}"


@pytest.mark.parametrize("minutes", [1, 30, 60 * 9, 24 * 60 - 1])
def test_a_time_is_the_next_on_the_clock(minutes: int) -> None:
    moment = NOW + timedelta(minutes=minutes)
    assert parse_deadline(at(moment), NOW) == moment.timestamp()


def test_an_hour_may_have_one_digit() -> None:
    assert parse_deadline("6:05", NOW) == parse_deadline("06:05", NOW)


def test_the_time_that_it_is_now_is_tomorrows() -> None:
    assert parse_deadline(at(NOW), NOW) == (NOW + timedelta(days=1)).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T06:00Z", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        ("2026-11-23 06:00:30+01:00", datetime(2026, 11, 23, 5, 0, 30, tzinfo=UTC)),
        ("2026-11-23T06:00", datetime(2026, 11, 23, 6).astimezone()),
        ("+2h", NOW + timedelta(hours=2)),
        ("+1.5d", NOW + timedelta(hours=36)),
        (" +90m ", NOW + timedelta(minutes=90)),
    ],
)
def test_dates_and_spans(text: str, moment: datetime) -> None:
    assert parse_deadline(text, NOW) == moment.timestamp()


@pytest.mark.parametrize(
    "text",
    ["", "six", "06", "25:00", "06:00Z", "2026-11-23", "+2", "+2w", "-2h", "+" + "9" * 30 + "d"],
)
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"--by .*must be a time such as 06:00"):
        parse_deadline(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-22T21:29Z", "+0h"])
def test_what_has_passed_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="has passed"):
        parse_deadline(text, NOW)


@given(st.text(max_size=20))
def test_whatever_is_written_is_a_time_to_come_or_an_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_deadline(text, NOW) > NOW.timestamp()


RUNNING = Progress(
    Job("night", "pvonly", by=2_000.0, submitted_at=1_000.0),
    100,
    cancelled=False,
    counts=Counts(submitted=100, priced=25),
    now=1_500.0,
    settled_at=1_500.0,
)


def test_it_is_done_when_the_rest_has_taken_as_long_as_the_first_did() -> None:
    assert RUNNING.expected_at == 1_500 + 3 * 500
    assert RUNNING.report()["by"] == "1970-01-01T00:33:20Z"
    assert RUNNING.report()["expected"] == "1970-01-01T00:50:00Z"


def test_what_has_not_begun_or_has_ended_has_no_expected_end() -> None:
    for counts in (Counts(submitted=100), Counts(submitted=100, priced=100)):
        assert "expected" not in replace(RUNNING, counts=counts).report()


@pytest.mark.parametrize(
    ("by", "words"), [(2_900.0, "2 min late"), (None, ""), (1e300, "no calen")]
)
def test_a_person_is_told_the_time(by: float | None, words: str) -> None:
    table = summary(replace(RUNNING, job=replace(RUNNING.job, by=by)), Outlook(1, 1, None, 3_000.0))
    [told] = [str(cell) for cell in table.columns[1].cells if "done at" in str(cell)]
    assert words in told
    assert f"done at {datetime.fromtimestamp(3_000).astimezone():%H:%M %Z}" in told
