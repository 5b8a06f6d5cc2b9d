"""The audit of a chaos run finds what it is there to find, and nothing in a good run."""

from dataclasses import replace
from typing import Any

import pytest

from engine import keys
from engine.job import Job, Progress
from engine.outcome import Counts
from loadtest.chaos import audit
from loadtest.chaos.audit import Called, JobSeen, KeySeen, StreamSeen, price

POISON = {1: frozenset({"dead"}), 2: frozenset({"rejected"})}


def record(trade: int, outcome: str = "priced", **fields: Any) -> dict[str, Any]:
    figures = {"pv": trade / 7} if outcome == "priced" else {"reason": "poison"}
    return {"id": trade, "outcome": outcome, **figures, "attempts": 1, "ms": 0.5, **fields}


RIGHT = {trade: price(record(trade)) for trade in range(10)}

RECORDS = [record(0), record(1, "dead"), record(2, "rejected"), *map(record, range(3, 10))]


def progress(**counts: int) -> Progress:
    told = {"submitted": 10, "priced": 8, "rejected": 1, "dead": 1, **counts}
    return Progress(Job("main", "pvonly"), 10, False, Counts(**told), 0.0, 0.0)


GOOD = JobSeen(progress(), range(10), list(range(10)), RECORDS, POISON)


def found(seen: JobSeen) -> str:
    return "\n".join(audit.audit_job(seen, RIGHT))


def test_nothing_is_found_in_a_good_run() -> None:
    assert found(GOOD) == ""
    # How often and how long it was priced is not the price.
    again = replace(GOOD, records=[{**r, "attempts": 3, "ms": 9.0} for r in RECORDS])
    assert found(again) == ""
    shuffled = replace(GOOD, records=RECORDS[::-1], given=list(range(9, -1, -1)))
    assert found(shuffled) == ""


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        (replace(GOOD, progress=progress(priced=9)), "counts 9 priced, has 8 records"),
        (replace(GOOD, progress=progress(priced=7)), "running, 1 trades in flight"),
        (replace(GOOD, progress=progress(submitted=11)), "11 submitted, 10 asked for"),
        (replace(GOOD, records=RECORDS[1:]), "without an outcome, 1: 0"),
        (replace(GOOD, records=[*RECORDS, RECORDS[4]]), "more than one outcome, 1: 4"),
        (replace(GOOD, records=[*RECORDS, record(77)]), "without being asked for, 1: 77"),
        (replace(GOOD, given=[*range(9)]), "not in the manifest, 1: 9"),
        (replace(GOOD, given=[*range(10), 3]), "twice in the manifest, 1: 3"),
        (replace(GOOD, given=[*range(11)]), "in the manifest without being asked for, 1: 10"),
        (replace(GOOD, records=[record(0, pv=1e-9), *RECORDS[1:]]), "other prices than"),
        (replace(GOOD, records=[record(0, "dead"), *RECORDS[1:]]), "wrong outcome, 1: 0 dead"),
        (replace(GOOD, poison={}), "wrong outcome, 2: 1 dead (poison), 2 rejected (poison)"),
    ],
)
def test_it_finds_what_is_wrong_with_a_job(seen: JobSeen, finding: str) -> None:
    assert finding in found(seen)


def test_an_undisturbed_job_is_priced_at_the_first_attempt() -> None:
    """G6: nobody takes an entry from a consumer that lives."""
    calm = replace(GOOD, poison=POISON)
    assert audit.audit_calm(calm) == []
    again = replace(calm, records=[record(0, attempts=2), *RECORDS[1:]])
    assert "begun again though nobody had died, 1: 0" in audit.audit_calm(again)[0]
    assert audit.audit_takeovers(0) == []
    assert audit.audit_takeovers(2) == ["2 entries were taken over though nobody had died"]


def test_what_the_dead_had_says_so() -> None:
    """G5."""
    again = replace(GOOD, records=[record(0, attempts=2), *RECORDS[1:]])
    assert audit.audit_attempts(again, 1) == []
    assert "2 trades were left by the dead, 1 say so" in audit.audit_attempts(again, 2)[0]


def test_it_finds_what_is_left_in_streams() -> None:
    empty = StreamSeen("az:{0}:lane:bulk", 0, 0)
    assert audit.audit_streams([empty]) == []
    assert len(audit.audit_streams([empty, replace(empty, length=1)])) == 1
    assert len(audit.audit_streams([replace(empty, length=2, pending=2)])) == 1


def test_it_finds_keys_without_an_owner_or_a_time_to_live() -> None:
    owned = [keys.grid(), keys.books(), keys.stream(1, "bulk"), keys.blocks(1, "chaos")]
    seen = [KeySeen(name, -1) for name in owned] + [KeySeen(keys.counts(0, "main"), 60_000)]
    assert audit.audit_keys(seen, 2, ["chaos"]) == []
    for stray in (keys.stream(2, "bulk"), keys.counts(0, "main"), keys.blocks(0, "other")):
        assert stray in audit.audit_keys([*seen, KeySeen(stray, -1)], 2, ["chaos"])[0]


GOOD_CALL = Called(3, "priced", 1, record(3, attempts=2))


@pytest.mark.parametrize(
    ("called", "finding"),
    [
        (GOOD_CALL, ""),
        (Called(3, "TimedOut", 1), ""),
        (Called(3), "never answered, 1: 3"),
        (replace(GOOD_CALL, answers=2), "answered more than once, 1: 3"),
        (replace(GOOD_CALL, record=record(3, pv=1.0)), "other prices than undisturbed, 1: 3"),
        (Called(3, "Dead", 1), "{'Dead': 1} that no fault excuses"),
        (Called(3, "Dead", 1, due="Dead"), ""),
        (Called(3, "TimedOut", 1, due="Dead"), ""),
        (Called(3, "Rejected", 1, due="Dead"), "{'Rejected': 1} that no fault excuses"),
        (replace(GOOD_CALL, due="Dead"), "{'priced': 1} that no fault excuses"),
        (Called(3, "TimedOut", 1, last=True), "{'TimedOut': 1} though all was healed"),
    ],
)
def test_it_finds_what_is_wrong_with_realtime_calls(called: Called, finding: str) -> None:
    findings = audit.audit_calls([GOOD_CALL, called], RIGHT)
    assert bool(findings) == bool(finding)
    assert finding in "\n".join(findings)


def test_a_second_reply_is_found_where_no_call_can_have_been_sent_twice() -> None:
    assert audit.audit_replies(["desk c1"], strict=True) == [
        "realtime: with a second reply, 1: desk c1"
    ]
    assert audit.audit_replies(["desk c1"], strict=False) == []
    assert audit.audit_replies([], strict=True) == []


def test_memory_that_grows_is_found() -> None:
    """G8: once it is warm, and not for a moment only."""
    warm = [*range(50, 100, 5), *[100] * 40]
    assert audit.audit_memory(warm) == []
    assert audit.audit_memory([*warm, 130, 100]) == []
    assert "has grown by 10.0%" in audit.audit_memory([*warm, *[110] * 20])[0]
    assert "tells nothing" in audit.audit_memory(warm[:15])[0]
