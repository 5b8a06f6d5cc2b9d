"""Trade IDs as text, and their blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ids import (
    BLOCK_SIZE,
    MAX_ID,
    MAX_IDS,
    Ids,
    by_block,
    format_ids,
    parse_ids,
    partition_of,
)

numbers = st.integers(0, 60) | st.integers(0, MAX_ID)
ascending = st.sets(numbers).map(lambda ids: np.array(sorted(ids), dtype=np.int64))


@given(ascending)
def test_what_is_formatted_is_parsed(ids: Ids) -> None:
    assert parse_ids(format_ids(ids)).tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("ids", "text"),
    [([], ""), ([7], "7"), ([3, 4, 5, 9], "3-5,9"), ([0, 1, MAX_ID], f"0-1,{MAX_ID}")],
)
def test_neighbours_become_ranges(ids: list[int], text: str) -> None:
    assert format_ids(np.array(ids, dtype=np.int64)) == text


def test_ranges_may_stand_in_any_order() -> None:
    assert parse_ids("9,3-5").tolist() == [3, 4, 5, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (",", "no trade ID"),
        ("1,", "no trade ID"),
        ("a", "no trade ID"),
        ("-1", "no trade ID"),
        (" 1", "no trade ID"),
        ("1_0", "no trade ID"),
        ("²", "no trade ID"),
        ("٣", "no trade ID"),
        ("1-", "no range"),
        ("1-2-3", "no range"),
        ("5-4", "no ascending range"),
        (str(MAX_ID + 1), "no ascending range"),
        ("9" * 5000, "above the highest"),
        ("1,1", "twice"),
        ("1-5,3-9", "twice"),
        (f"0-{MAX_IDS}", "more than"),
        (f"0-{MAX_ID}", "more than"),
    ],
)
def test_what_is_no_list_of_ranges_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_ids(text)


@given(st.text(alphabet="0123456789-,x ٣", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ids = parse_ids(text)
    except ValueError:
        return
    assert (np.diff(ids) > 0).all()


@given(ascending)
def test_blocks_hold_each_id_once(ids: Ids) -> None:
    blocks = list(by_block(ids))
    assert [i for _, part in blocks for i in part.tolist()] == ids.tolist()
    assert all((part // BLOCK_SIZE == number).all() for number, part in blocks)
    assert [number for number, _ in blocks] == sorted({number for number, _ in blocks})


@given(st.integers(0, MAX_ID), st.integers(1, 64))
def test_a_block_has_one_partition(block: int, partitions: int) -> None:
    assert 0 <= partition_of(block, partitions) < partitions
