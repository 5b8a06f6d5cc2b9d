"""What a trade's fields may hold, judged one by one and by column."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trade import ID, PRODUCTS, WARRANT, Fault, Kind, Term, check

GOOD: dict[str, object] = {
    "spot": 0.9,
    "strike": 0.8,
    "drift": -0.05,
    "vol": 0.08,
    "vol_of_vol": 0,
    "rho": -1,
    "maturity": 0.2,
    "steps": 172,
    "paths": 10_000,
    "warrants": 0,
    "notional": 1000.0,
    "start_date": "2017-12-29",
    "end_date": "2018-08-28",
}

TERMS = [*WARRANT.values(), ID, Term(Kind.NUMBER, low=0, high=1, above=True)]

edges: st.SearchStrategy[object] = st.sampled_from(
    [
        *(0, 1, -1, -0.0, 2**31, 2**31 + 1, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**400),
        *(math.nan, math.inf, -math.inf, True, None, [], {}, 100_001),
        *("2017-12-29", "2017-W52-5", "20171229", "2017-02-29", "0001-01-01", "2017-12-29T00"),
    ]
)
values = edges | st.integers() | st.floats() | st.text() | st.booleans() | st.none()


def raw(*trades: dict[str, object]) -> dict[str, list[object]]:
    return {name: [trade.get(name) for trade in trades] for name in WARRANT}


@given(st.sampled_from(TERMS), st.lists(values, max_size=4))
def test_a_column_is_allowed_when_each_of_its_values_is(term: Term, column: list[object]) -> None:
    typed = term.column(column)
    assert (typed is not None) == all(map(term.allows, column))
    if typed is not None:
        # As a float64, a whole number of 17 digits is the nearest there is.
        rounds = term.kind is Kind.NUMBER
        assert typed.tolist() == [
            float(value) if rounds and isinstance(value, int) else value for value in column
        ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spot", 0),
        ("spot", math.nan),
        ("spot", "0.9"),
        ("spot", True),
        ("spot", 10**400),
        ("vol", -0.1),
        ("rho", 1.01),
        ("steps", 172.0),
        ("steps", 0),
        ("paths", 2**31 + 1),
        ("warrants", 2**63),
        ("end_date", "28.08.2018"),
        ("end_date", "2018-W35-2"),
        ("end_date", ["2018-08-28"]),
        ("maturity", None),
    ],
)
def test_a_bad_value_is_told_and_its_neighbours_pass(name: str, value: object) -> None:
    found = check(raw(GOOD, {**GOOD, name: value}, GOOD), WARRANT, 3)
    assert found.good.tolist() == [0, 2]
    [fault] = found.faults
    assert (fault.row, fault.field, fault.value) == (1, name, value)
    assert all(len(column) == 2 for column in found.columns.values())


def test_good_trades_become_typed_columns() -> None:
    found = check(raw(GOOD, GOOD), WARRANT, 2)
    assert not found.faults
    assert found.good.tolist() == [0, 1]
    assert found.columns["vol_of_vol"].dtype == np.float64
    assert found.columns["steps"].dtype == np.int64
    assert found.columns["end_date"].tolist() == ["2018-08-28"] * 2


def test_a_field_that_no_trade_has_is_missing_in_each() -> None:
    columns = raw(GOOD, GOOD)
    del columns["strike"]
    found = check(columns, WARRANT, 2)
    assert [str(fault) for fault in found.faults] == [
        "strike is missing: must be a number above 0",
    ] * 2
    assert not len(found.good)


def test_no_trades_are_no_fault() -> None:
    assert check({}, WARRANT, 0).faults == ()


@pytest.mark.parametrize(
    ("term", "rule"),
    [
        (Term(Kind.NUMBER), "a number"),
        (WARRANT["vol"], "a number of at least 0"),
        (WARRANT["rho"], "a number of at least -1 and at most 1"),
        (ID, "a whole number of at least 0 and at most 9007199254740992"),
        (Term(Kind.NUMBER, high=5), "a number of at most 5"),
        (WARRANT["end_date"], "a date as YYYY-MM-DD"),
    ],
)
def test_rules_are_words(term: Term, rule: str) -> None:
    assert term.rule == rule


def test_a_fault_names_field_value_and_rule() -> None:
    fault = Fault(3, "vol", -0.1, WARRANT["vol"].rule)
    assert str(fault) == "vol is -0.1: must be a number of at least 0"


@given(st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_faults_are_short(value: Any) -> None:
    assert len(str(Fault(0, "spot", value, "a number"))) < 80


def test_a_value_nested_deeper_than_python_follows_is_told() -> None:
    value = orjson.loads("[" * 1000 + "]" * 1000)
    assert str(Fault(0, "spot", value, "a number")).startswith("spot is [[[[...")


def test_every_product_has_an_example_of_its_fields() -> None:
    assert set(PRODUCTS["warrant"]) == set(GOOD)
