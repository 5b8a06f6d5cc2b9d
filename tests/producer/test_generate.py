"""The synthetic book: the same for a seed wherever it is cut, and drawn as promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import Trades
from engine.ids import BLOCK_SIZE, MAX_ID
from engine.trade import EUROPEAN, WARRANT, check
from producer.generate import CONSTANTS, MAX_SEED, batches, generate, generate_european

COUNT = 100_000

PINNED: dict[str, object] = {
    "id": 1,
    "spot": 0.898332091555,
    "strike": 0.73515446316,
    "drift": 0.084243300519,
    "vol": 0.06823049684,
    "vol_of_vol": 0.00154807378604,
    "rho": 3.8413221829e-05,
    "maturity": 0.2,
    "steps": 172,
    "paths": 10000,
    "warrants": 41389,
    "notional": 996.85834276049,
    "start_date": "2017-12-29",
    "end_date": "2018-08-28",
}
"""Trade 1 of the book with seed 42."""

seeds = st.integers(0, MAX_SEED)


def rows(trades: Trades) -> list[dict[str, object]]:
    return [trades.row(row) for row in range(len(trades.ids))]


@pytest.fixture(scope="module")
def book() -> Trades:
    return generate(7, 0, COUNT)


@given(seeds, st.integers(0, MAX_ID - 30), st.integers(0, 20), st.integers(1, 10))
def test_a_trade_depends_on_seed_and_id_alone(seed: int, first: int, skip: int, count: int) -> None:
    whole = generate(seed, first, 30)
    assert rows(generate(seed, first + skip, count)) == rows(whole.part(skip, skip + count))


def test_a_small_book_is_the_beginning_of_a_large_one(book: Trades) -> None:
    assert rows(generate(7, 0, 1000)) == rows(book.part(0, 1000))


@pytest.mark.pain("older-azfinsim-unseeded-generator")
def test_this_book_stays_the_same_for_ever() -> None:
    """People keep results by seed: a change here is a change of everybody's books."""
    assert generate(42, 1, 1).row(0) == PINNED


def test_seeds_make_different_books(book: Trades) -> None:
    other = generate(8, 0, 1000)
    for name in set(book.columns) - set(CONSTANTS):
        assert len(set(other.columns[name]) & set(book.columns[name][:1000])) < 50


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("spot", 0.8285, 0.9485),
        ("strike", 0.7, 0.82),
        ("drift", -0.1, 0.1),
        ("vol", 0.0808844481978 - 0.015, 0.0808844481978 + 0.015),
        ("warrants", 30_000, 60_000),
        ("notional", 950, 1050),
    ],
)
def test_drawn_terms_are_uniform(book: Trades, name: str, low: float, high: float) -> None:
    drawn = np.array(book.columns[name], dtype=float)
    # The bounds of vol have more decimals than we draw.
    assert low - 1e-12 <= drawn.min()
    assert drawn.max() < high
    share = np.histogram(drawn, bins=20, range=(low, high))[0] / COUNT
    assert abs(share - 0.05).max() < 0.005


def test_drawn_terms_are_independent(book: Trades) -> None:
    names = sorted(set(book.columns) - set(CONSTANTS))
    drawn = np.array([book.columns[name] for name in names], dtype=float)
    correlation = np.corrcoef(drawn) - np.eye(len(names))
    assert abs(correlation).max() < 0.02
    # Nor do neighbours resemble each other.
    for column in drawn:
        assert abs(np.corrcoef(column[:-1], column[1:])[0, 1]) < 0.02


def test_the_other_terms_are_the_same_for_all(book: Trades) -> None:
    expected = {
        "vol_of_vol": 0.00154807378604,
        "rho": 0.000038413221829,
        "maturity": 0.20,
        "steps": 172,
        "paths": 10000,
        "start_date": "2017-12-29",
        "end_date": "2018-08-28",
    }
    assert expected == CONSTANTS
    assert all(set(book.columns[name]) == {value} for name, value in expected.items())


def test_generated_trades_pass_the_check(book: Trades) -> None:
    assert list(book.columns) == list(WARRANT)
    assert not check(book.columns, WARRANT, COUNT).faults
    assert {type(value) for value in book.columns["warrants"]} == {int}


def test_floats_have_twelve_decimals(book: Trades) -> None:
    for name in ("spot", "strike", "drift", "vol", "notional"):
        column = np.array(book.columns[name], dtype=float)
        assert (column.round(12) == column).all()


@given(st.integers(0, 700), st.integers(1, 700))
def test_batches_are_the_book_cut_where_blocks_end(first: int, count: int) -> None:
    parts = list(batches(3, first, count, 2 * BLOCK_SIZE))
    assert [i for part in parts for i in part.ids] == list(range(first, first + count))
    assert all(part.ids[0] % (2 * BLOCK_SIZE) == 0 for part in parts[1:])
    assert parts[-1].row(-1) == generate(3, first + count - 1, 1).row(0)


def test_batches_are_of_whole_blocks() -> None:
    with pytest.raises(ValueError, match="must be a multiple"):
        next(batches(0, 0, 10, BLOCK_SIZE + 1))


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        generate(seed, 0, 1)


PINNED_OPTION: dict[str, object] = {
    "id": 1,
    "product": "european",
    "option_type": "call",
    "spot": 0.898332091555,
    "strike": 0.89515446316,
    "vol": 0.06823049684,
    "maturity": 1.984243300519,
    "domestic_rate": 0.00834276049,
    "foreign_rate": 0.031112589701,
    "notional": 771389,
}
"""Option 1 of the book with seed 42."""


@given(seeds, st.integers(0, MAX_ID - 30), st.integers(0, 20), st.integers(1, 10))
def test_an_option_depends_on_seed_and_id_alone(
    seed: int, first: int, skip: int, count: int
) -> None:
    whole = generate_european(seed, first, 30)
    expected = rows(whole.part(skip, skip + count))
    assert rows(generate_european(seed, first + skip, count)) == expected


def test_this_book_of_options_stays_the_same_for_ever() -> None:
    assert generate_european(42, 1, 1).row(0) == PINNED_OPTION


def test_options_pass_the_check_and_are_drawn_as_told(book: Trades) -> None:
    options = generate_european(7, 0, COUNT)
    assert not check(options.columns, EUROPEAN, COUNT).faults
    assert set(options.columns) == {"product", *EUROPEAN}
    assert options.columns["spot"] == book.columns["spot"]
    calls = np.array([kind == "call" for kind in options.columns["option_type"]])
    assert abs(calls.mean() - 0.5) < 0.01
    drawn = [name for name in EUROPEAN if name != "option_type"]
    numbers = np.array([options.columns[name] for name in drawn], dtype=float)
    # One word each: what was drawn for one says nothing of another.
    correlation = np.corrcoef(np.vstack([numbers, calls])) - np.eye(len(drawn) + 1)
    assert abs(correlation).max() < 0.02
    for name, low, high in (("maturity", 0.05, 2.0), ("strike", 0.8, 0.98), ("notional", 1e5, 1e6)):
        column = np.array(options.columns[name], dtype=float)
        assert low <= column.min() < column.max() < high
