"""Trades by column, and how they go into blocks and out of them."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import Trades, blocks_of, from_rows, merged, without
from engine.codec import Block
from engine.ids import BLOCK_SIZE

Rows = list[dict[str, object]]

ids = st.lists(st.integers(0, 3 * BLOCK_SIZE) | st.integers(0, 2**53))
fields = st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3)


def rows_of(trades: Trades) -> Rows:
    return [trades.row(row) for row in range(len(trades.ids))]


def numbered(ids: list[int]) -> Trades:
    """Trades that know their place: ``n`` counts them."""
    return Trades(ids, {"n": list(range(len(ids)))})


@given(st.lists(fields))
def test_trades_from_mappings_are_those_mappings(rows: list[Mapping[str, object]]) -> None:
    trades = from_rows([{"id": "passed over", **row} for row in rows], list(range(len(rows))))
    assert rows_of(trades) == [{"id": i, **row} for i, row in enumerate(rows)]


def test_a_field_that_a_trade_lacks_is_none_in_its_column() -> None:
    trades = from_rows([{"a": 1}, {"b": 2}, {"a": 3, "b": 4}], [7, 8, 9])
    assert {name: list(values) for name, values in trades.columns.items()} == {
        "a": [1, None, 3],
        "b": [None, 2, 4],
    }


def test_parts_and_rows_of_trades() -> None:
    trades = numbered([5, 6, 7, 8])
    assert rows_of(trades.part(1, 3)) == [{"id": 6, "n": 1}, {"id": 7, "n": 2}]
    assert rows_of(trades.at([3, 0])) == [{"id": 8, "n": 3}, {"id": 5, "n": 0}]


@given(ids)
def test_blocks_hold_each_id_once_in_order_and_the_later_of_two(ids: list[int]) -> None:
    found = blocks_of(numbered(ids))
    assert list(found) == sorted(found)
    for number, trades in found.items():
        assert list(trades.ids) == sorted(set(trades.ids))
        assert all(i // BLOCK_SIZE == number for i in trades.ids)
    rows = [row for trades in found.values() for row in rows_of(trades)]
    assert {row["id"]: row["n"] for row in rows} == {i: n for n, i in enumerate(ids)}
    assert len(rows) == len(set(ids))


def test_new_trades_replace_old_ones_with_all_their_fields() -> None:
    block = Block([1, 3, 5], {"a": [10, 30, 50], "b": ["x", None, "z"]})
    new = from_rows([{"b": "new"}, {"c": True}], [3, 4])
    assert rows_of(merged(block, new)) == [
        {"id": 1, "a": 10, "b": "x"},
        {"id": 3, "b": "new"},
        {"id": 4, "c": True},
        {"id": 5, "a": 50, "b": "z"},
    ]


def test_a_field_goes_with_the_last_trade_that_had_it() -> None:
    block = Block([1], {"a": [10], "b": ["x"]})
    assert list(merged(block, from_rows([{"a": 11}], [1])).columns) == ["a"]


def test_a_block_without_one_of_its_trades() -> None:
    block = Block([1, 3], {"a": [10, 30]})
    assert rows_of(without(block, 1)) == [{"id": 3, "a": 30}]
    assert rows_of(without(block, 2)) == rows_of(Trades(block.ids, block.columns))
