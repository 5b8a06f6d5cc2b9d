"""The search for the capacity, and what its record says in the end."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.connection import Address
from loadtest.capacity import Search
from loadtest.run import search
from loadtest.run.round import Round
from loadtest.run.search import PILED_UP, Hunt
from loadtest.run.stand import standing
from loadtest.run.whole import record_of
from loadtest.scenario_read import at_rate, load
from loadtest.timetable import planned
from tests.loadtest.rounds import answering, scenario

RATE = 50.0


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_rate_that_was_met_but_once_is_none(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, confirmed: bool
) -> None:
    kept_up = [True, False, confirmed]  # Of RATE, twice as much, and RATE again; then never.
    monkeypatch.setattr(search, "keeps_up", lambda _tried: kept_up.pop(0) if kept_up else False)
    wanted = scenario(realtime__rate=RATE, seconds=1)
    async with (
        answering(redis_url),
        standing(wanted, Address.parse(redis_url), None, tmp_path) as stand,
    ):
        hunt = Hunt(stand, wanted, lambda _text: None, lambda _round: None, precision=5)
        searching = Search(RATE, hunt.precision)
        while (rate := searching.next_rate()) is not None:
            tried = hunt.latest = Round(stand, at_rate(wanted, rate), hunt.tell)
            hunt._judge(searching, rate, tried)
        hunt._rate = searching.found
        last = hunt.best or hunt.latest
        assert last is not None
        told = record_of(wanted, datetime.now(UTC), last, hunt.capacity())
    assert told.capacity is not None
    assert told.verdict.met == (told.capacity.rate is not None) == confirmed
    # What a try has missed it says, though it met all objectives.
    assert (PILED_UP in told.verdict.warnings) == (not confirmed)


def test_a_try_makes_no_call_of_a_trace_after_its_end(tmp_path: Path) -> None:
    (tmp_path / "calls.txt").write_text("\n".join(str(number / 10) for number in range(600)))
    (tmp_path / "late.txt").write_text("59")
    (tmp_path / "s.toml").write_text("""
        objectives = ["realtime.p99 < 20ms"]
        phases = [
            {kind = "trace", file = "calls.txt", seconds = 60},
            {kind = "trace", file = "late.txt", seconds = 60},
            {rate = 50, seconds = 60},
        ]
        realtime = {}
    """)
    short = search.in_short(load(str(tmp_path / "s.toml")), 18.0)
    moments = list(planned(replace(short, warm_up=0.0)))
    assert short.measured == pytest.approx(18.0)
    assert len(moments) == 60 + 1 + 300
    assert max(moments) < 18.0
