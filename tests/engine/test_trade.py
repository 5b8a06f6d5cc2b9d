"""What a trade's fields may hold, judged one by one and by column."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trade import (
    EUROPEAN,
    ID,
    PRODUCTS,
    WARRANT,
    Fault,
    Kind,
    Schema,
    Term,
    check,
    other_products,
    product_of,
)

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

GOOD_EUROPEAN: dict[str, object] = {
    "option_type": "put",
    "spot": 1.1,
    "strike": 1,
    "vol": 0.1,
    "maturity": 0.5,
    "domestic_rate": -0.01,
    "foreign_rate": 0.02,
    "notional": 1e6,
}

EXAMPLES = {"warrant": GOOD, "european": GOOD_EUROPEAN}

TERMS = [
    *WARRANT.values(),
    *EUROPEAN.values(),
    ID,
    Term(Kind.NUMBER, low=0, high=1, above=True),
    Term(Kind.TEXT),
    Term(Kind.JSON),
]

edges: st.SearchStrategy[object] = st.sampled_from(
    [
        *(0, 1, -1, -0.0, 2**31, 2**31 + 1, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**400),
        *(math.nan, math.inf, -math.inf, True, None, [], {}, 100_001),
        *("call", "put", "Call", "", [1, 2], [3, 4]),
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
        (EUROPEAN["option_type"], "call or put"),
        (Term(Kind.TEXT), "a text"),
        (Term(Kind.JSON), "a JSON value"),
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


def test_lists_of_one_length_stay_lists() -> None:
    """NumPy would make a table of them."""
    column = Term(Kind.JSON).column([[1, 2], [3, 4]])
    assert column is not None
    assert column.shape == (2,)
    assert column[1] == [3, 4]


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.JSON])
def test_what_is_missing_is_no_value_of_any_kind(kind: Kind) -> None:
    found = check({"own": ["a", None]}, {"own": Term(kind)}, 2)
    assert [str(fault) for fault in found.faults] == [f"own is missing: must be a {kind}"]


def test_every_product_has_an_example_of_its_fields() -> None:
    assert {name: set(schema) for name, schema in PRODUCTS.items()} == {
        name: set(example) for name, example in EXAMPLES.items()
    }


WRONG: dict[Kind, list[object]] = {
    Kind.NUMBER: [None, "1", True, [1], {}, math.nan, math.inf, -math.inf, 10**400],
    Kind.INTEGER: [None, "1", True, [1], 1.0, math.nan, 2**63],
    Kind.DATE: [None, 20171229, True, ["2017-12-29"], "29.12.2017"],
    Kind.TEXT: [None, 1, True, ["call"], "Call", ""],
}
"""Of each kind what no field of it may be: missing, of another type, no finite number, huge."""

BOUNDS: dict[str, list[tuple[str, object]]] = {
    "warrant": [
        *(
            ("spot", 0),
            ("strike", 0.0),
            ("vol", -0.1),
            ("vol_of_vol", -1e-9),
            ("vol_of_vol", 1e7),
            ("rho", 1.01),
        ),
        *(("rho", -1.01), ("maturity", 0), ("steps", 0), ("steps", 100_001), ("paths", 0)),
        *(("paths", 2**31 + 1), ("warrants", -1), ("warrants", 2**53 + 1), ("notional", -0.01)),
    ],
    "european": [
        *(("spot", 0), ("strike", -1), ("vol", -0.1), ("maturity", -0.5), ("notional", -1)),
    ],
}
"""And what is out of range."""

BAD = [
    (product, name, value)
    for product, schema in PRODUCTS.items()
    for name, value in [
        *((name, value) for name, term in schema.items() for value in WRONG[term.kind]),
        *BOUNDS[product],
    ]
]


@pytest.mark.parametrize(("product", "name", "value"), BAD)
def test_a_bad_field_of_any_product_is_a_fault_that_names_it(
    product: str, name: str, value: object
) -> None:
    """Alone in its batch and between others, which pass."""
    schema, good = PRODUCTS[product], EXAMPLES[product]
    for trades, row in (([{**good, name: value}], 0), ([good, {**good, name: value}, good], 1)):
        columns = {field: [trade[field] for trade in trades] for field in schema}
        found = check(columns, schema, len(trades))
        assert [(fault.row, fault.field) for fault in found.faults] == [(row, name)]
        assert str(found.faults[0]).startswith(f"{name} is ")
        assert str(found.faults[0]).endswith(f"must be {schema[name].rule}")
        assert row not in found.good
        assert len(found.good) == len(trades) - 1


@pytest.mark.parametrize(
    ("product", "named", "faults"),
    [
        ("warrant", None, {}),
        ("warrant", [None, "warrant", "european"], {2: "product is 'european'"}),
        ("european", None, dict.fromkeys(range(3), "product is missing")),
        ("european", ["european", None, "warrant"], {1: "product is miss", 2: "product is 'war"}),
        ("european", [{}, 5, ["european"]], {0: "product is {}", 1: "product is 5", 2: "product"}),
    ],
)
def test_trades_of_other_products_are_told(
    product: str, named: list[object] | None, faults: dict[int, str]
) -> None:
    columns = {} if named is None else {"product": named}
    found = {fault.row: str(fault) for fault in other_products(columns, product, 3)}
    assert list(found) == list(faults)
    assert all(found[row].startswith(words) for row, words in faults.items())
    assert all(told.endswith(f"must be {product} for this algorithm") for told in found.values())


def test_a_schema_of_ones_own_is_of_no_product() -> None:
    own: Schema = {**WARRANT}
    assert [product_of(schema) for schema in (WARRANT, EUROPEAN, own)] == [
        "warrant",
        "european",
        None,
    ]
