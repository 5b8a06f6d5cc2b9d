"""What pricers return: what of it becomes a record, and what is told of the rest (G3, G5)."""

from collections.abc import Mapping

import numpy as np
import pytest

from engine.pricing.figures import KNOWN, TAKEN, by_trade


def test_figures_come_out_by_trade_the_known_ones_first() -> None:
    figures = {"theta": [0.1, 0.2], "gamma_up": [1, 2], "paths": [5, 6], "pv": [3.5, 4.5]}
    records, reasons = by_trade(figures, [7, 9])
    assert not reasons
    assert list(records[7]) == ["id", "pv", "paths", "gamma_up", "theta"]
    assert records[9] == {"id": 9, "pv": 4.5, "paths": 6, "gamma_up": 2.0, "theta": 0.2}


def test_a_number_is_written_the_same_whatever_stands_beside_it() -> None:
    """G3: a list of whole numbers is of another type than one with a fraction in it."""
    alone, _ = by_trade({"pv": [1], "paths": [3], "own": [2]}, [0])
    beside, _ = by_trade({"pv": [1, 1.5], "paths": [3, np.nan], "own": [2, 0.5]}, [0, 1])
    assert repr(alone[0]) == repr(beside[0]) == repr({"id": 0, "pv": 1.0, "paths": 3, "own": 2.0})


def test_a_figure_that_has_no_value_is_left_out_and_a_pv_is_a_reason() -> None:
    figures = {"pv": [1.0, np.nan, np.inf], "own": [np.inf, 1.0, 1.0], "paths": [np.nan, 1, 1]}
    records, reasons = by_trade(figures, [0, 1, 2])
    assert records == {0: {"id": 0, "pv": 1.0}}
    assert reasons == {1: "pv is nan", 2: "pv is inf"}


def test_a_reason_takes_the_place_of_a_price() -> None:
    figures = {"pv": [1.0, np.nan, 2.0], "reason": [None, "no curve", "stale"]}
    records, reasons = by_trade(figures, [4, 5, 6])
    assert list(records) == [4]
    assert reasons == {5: "no curve", 6: "stale"}


@pytest.mark.parametrize("name", [*TAKEN[:-1], "", "a b", "a,b", "=1", "x" * 33, "ä", 5, None])
def test_a_name_that_no_figure_may_have_is_told(name: object) -> None:
    """G10: it would be a key of JSON and a column of CSV."""
    with pytest.raises(ValueError, match=r"returned a figure named .*(must be|something else)"):
        by_trade({"pv": [1.0], name: [1.0]}, [0])


@pytest.mark.parametrize("name", [*KNOWN, "gamma", "dv01_10Y", "X", "x" * 32])
def test_any_other_name_is_kept(name: str) -> None:
    assert by_trade({name: [1.0]}, [0])[0][0][name] == 1.0


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"pv": [1.0, 1.0], "paths": [1e20, 5]}, "paths that no whole number of 64 bits can be"),
        (None, "the pricer returned NoneType: must be a mapping of figures"),
        (3.0, "the pricer returned float: must be a mapping"),
        ([("pv", [1.0])], "the pricer returned list"),
        ({"own": [1.0]}, r"own of shape \(1,\) for 2 trades"),
        ({"own": 1.0}, r"own of shape \(\) for 2 trades"),
        ({"own": ["1", "2"]}, "own of type <U1: must be numbers"),
        ({"own": [None, 1.0]}, "own of type object: must be numbers"),
        ({"reason": [None]}, "no list of 2 reasons"),
        ({"reason": "no"}, "no list of 2 reasons"),
        ({"reason": [None, 5]}, "a reason of type int: must be text or None"),
    ],
)
def test_what_are_no_figures_is_told(figures: object, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        by_trade(figures, [0, 1])


def test_no_figures_are_fine() -> None:
    nothing: Mapping[str, object] = {}
    assert by_trade(nothing, [3]) == ({3: {"id": 3}}, {})
