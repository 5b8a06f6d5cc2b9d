"""The terms that are asked for on the command line: models, changes, ladders."""

from typing import Any

import pytest

from engine.errors import UsageError
from engine.trade import EUROPEAN, WARRANT
from producer.price_terms import Ladder, assigned, changed, model, rungs


def test_the_models_are_good_trades() -> None:
    for algorithm, schema in (("pvonly", WARRANT), ("european", EUROPEAN)):
        trade = model(algorithm, 7)
        assert trade["id"] == 7
        assert all(term.allows(trade[name]) for name, term in schema.items())


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("spot=0.9", ("spot", 0.9)),
        ("steps=7", ("steps", 7)),
        ("start_date=2017-12-29", ("start_date", "2017-12-29")),
        ("curve=EUR=3M", ("curve", "EUR=3M")),
        ('curve={"a": 1}', ("curve", {"a": 1})),
        ("curve=", ("curve", "")),
        ("x=" + "[" * 5000, ("x", "[" * 5000)),
    ],
)
def test_a_field_is_given_a_value(text: str, pair: tuple[str, Any]) -> None:
    assert assigned(text) == pair


@pytest.mark.parametrize("text", ["", "spot", "=0.9"])
def test_what_gives_no_field_a_value_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="must be FIELD=VALUE"):
        assigned(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"foo": 1}, "foo: no such field; the trade has spot, strike"),
        ({"id": 1}, "id: no such field"),
        ({"spot": -1}, "spot is -1: must be a number above 0"),
        ({"vol": "high"}, "vol is high: must be a number"),
        ({"spot": True}, "spot is True"),
        ({"steps": 1.5}, "steps is 1.5: must be a whole number"),
        ({"start_date": "tomorrow"}, "start_date is tomorrow: must be a date"),
    ],
)
def test_a_change_that_cannot_be_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        changed(model("pvonly", 0), changes, "pvonly")


def test_a_pricer_of_ones_own_may_have_fields_of_its_own() -> None:
    trade = {"id": 1, "curve": "EUR"}
    assert changed(trade, {"curve": "USD"}, "no.such:module")["curve"] == "USD"
    assert changed(trade, {"spot": 0.5}, "tests.pricers:plain")["spot"] == 0.5
    with pytest.raises(UsageError, match="spot is -1"):
        changed({**trade, "other": 1}, {"spot": -1}, "tests.pricers:plain")
    with pytest.raises(UsageError, match="cannot be imported"):
        changed(trade, {"spot": 1}, "no.such:module")


def test_a_ladder_takes_round_steps() -> None:
    ladder = Ladder.parse("spot=0.85:0.95:11")
    assert ladder == Ladder("spot", [round(0.85 + step / 100, 2) for step in range(11)])
    assert Ladder.parse("steps=10:100:4").values == [10, 40, 70, 100]
    assert Ladder.parse("drift=0.1:-0.1:3").values == [0.1, 0, -0.1]


@pytest.mark.parametrize(
    "text",
    [
        *("spot", "spot=", "spot=1", "spot=1:2", "spot=1:2:x", "=1:2:3", "spot=1:2:3:4"),
        *("spot=nan:2:3", "spot=1:inf:3", "spot=1:2:nan", "spot=1:2:2.5", "spot=1:2:1"),
        *("spot=1:2:0", "spot=1:2:-3", "spot=1:2:1e9", "spot=1:1:5"),
    ],
)
def test_what_is_no_ladder_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="ladder"):
        Ladder.parse(text)


def test_rungs_differ_in_their_places_alone() -> None:
    trade = model("pvonly", 7)
    ladders = [Ladder.parse("spot=0.8:0.9:3"), Ladder.parse("vol=0.1:0.2:2")]
    found = rungs(trade, ladders, "pvonly")
    assert [(rung["spot"], rung["vol"]) for rung in found] == [
        (spot, vol) for spot in (0.8, 0.85, 0.9) for vol in (0.1, 0.2)
    ]
    assert all({**rung, "spot": 0, "vol": 0} == {**trade, "spot": 0, "vol": 0} for rung in found)


@pytest.mark.parametrize(
    ("ladders", "words"),
    [
        (["spot=1:2:3", "spot=2:3:4"], "spot is laddered twice"),
        (["spot=1:2:1000", "vol=0.1:0.2:11"], "11,000 trades"),
        (["foo=1:2:3"], "foo: no such field"),
        (["spot=-1:1:3"], "spot is -1"),
        (["steps=1:2:3"], "steps is 1.5"),
        (["spot=-1e308:1e308:3"], "spot is"),
    ],
)
def test_rungs_that_cannot_be_are_told(ladders: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rungs(model("pvonly", 0), [Ladder.parse(text) for text in ladders], "pvonly")


def test_no_rung_is_infinite() -> None:
    assert Ladder.parse("drift=-1e308:1e308:3").values == [-1e308, 0, 1e308]
