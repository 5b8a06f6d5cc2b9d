"""The schedule of a chaos run: the seed alone decides, and every kind has its turn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.plan import GROUNDS, POISON, Plan, usual_kinds
from loadtest.chaos.schedule import EARLY, LONGEST, SHORTEST, draw

KIND = st.sampled_from(sorted(KINDS))


@given(st.integers(0, 10**6), st.sets(KIND), st.sets(KIND))
def test_a_seed_replays(seed: int, kinds: set[str], early: set[str]) -> None:
    strikes = draw(seed, 60, kinds, 1.0, early & kinds)
    assert strikes == draw(seed, 60, sorted(kinds, reverse=True), 1.0, early & kinds)
    assert all(0 < strike.at < 60 for strike in strikes)
    assert [s.at for s in strikes] == sorted(s.at for s in strikes)
    assert all(SHORTEST <= strike.seconds <= LONGEST for strike in strikes)
    assert {strike.kind for strike in strikes} <= kinds


def test_seeds_differ_and_a_known_one_stays_as_it_is() -> None:
    """A seed that somebody has noted must give the same schedule in later releases."""
    assert draw(1, 60, KINDS, 1.0) != draw(2, 60, KINDS, 1.0)
    first, second = draw(1, 60, ["cut", "kill"], 1.0)[:2]
    assert str(first) == "  1.13 s  cut of 911 for 1.73 s"
    assert str(second) == "  1.89 s  kill of 177 for 1.63 s"


@given(st.integers(0, 10**6))
def test_every_kind_comes_once_before_any_comes_twice(seed: int) -> None:
    strikes = draw(seed, 60, KINDS, 1.0)
    seen = Counter(strike.kind for strike in strikes[: len(KINDS)])
    assert seen == Counter(dict.fromkeys(KINDS, 1))


@given(st.integers(0, 10**6))
def test_what_is_early_comes_in_the_first_of_the_time_alone(seed: int) -> None:
    strikes = draw(seed, 60, KINDS, 1.0, ["forget", "tail"])
    assert {strike.kind for strike in strikes[:2]} == {"forget", "tail"}
    late = [strike for strike in strikes if strike.kind in ("forget", "tail")][2:]
    assert all(strike.at < EARLY * 60 + len(KINDS) * 1.5 for strike in late)


@pytest.mark.parametrize("kinds", [[], ["kill"]])
def test_no_kinds_give_none(kinds: list[str]) -> None:
    assert bool(draw(1, 60, kinds, 1.0)) == bool(kinds)


def test_only_what_harms_nobody_else_is_usual_on_a_users_server() -> None:
    usual = usual_kinds({Needs.NOTHING, Needs.NETWORK}, versions=False)
    assert not {"restart", "forget", "tail", "promote", "full", "pause", "clients"} & set(usual)
    assert {"kill", "freeze", "cut", POISON} <= set(usual)
    assert "cut" not in usual_kinds({Needs.NOTHING}, versions=False)
    assert set(usual_kinds(GROUNDS["single"], versions=True)) == {POISON, *KINDS}


def test_the_command_of_a_plan_names_all_that_decides() -> None:
    plan = Plan(seed=7, seconds=30, trades=500, kinds=["kill", "cut"], realtime=True)
    assert plan.command() == (
        "python -m loadtest chaos --seed 7 --seconds 30 --trades 500 --every 1 --consumers 3 "
        "--kinds kill,cut --realtime --partitions 1"
    )
