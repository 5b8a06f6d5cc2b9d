"""The bytes of blocks and results: what goes in comes out, and hostile bytes raise nothing."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import decode_block, decode_records, encode_block, encode_records
from engine.trade import ID

json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)
ids = st.lists(st.integers(0, 2**53), unique=True, max_size=4)
names = st.lists(st.text().filter(lambda name: name != "id"), unique=True, max_size=3)

lines = st.lists(
    st.sampled_from(
        [
            *(b'["id","spot"]', b"[1,2]", b"[1,3]", b"[2,null]", b"[3,4],[5,6]", b"[7]", b"[]"),
            *(b'["1",2]', b"[true,2]", b"[-1,2]", b"null", b'"ab"', b'{"a":1,"b":2}', b"", b"["),
            *(b'["id","id"]', b'["id",["x"]]', b'["id"]', b"\xff", b"[1e999,2]", b"{}"),
        ]
    )
    | json.map(orjson.dumps)
    | st.binary(max_size=8),
    max_size=5,
).map(b"\n".join)


@given(st.data(), ids, names)
def test_a_block_comes_out_as_it_went_in(
    data: st.DataObject, ids: list[int], names: list[str]
) -> None:
    column = st.lists(json, min_size=len(ids), max_size=len(ids))
    columns = {name: data.draw(column) for name in names}
    block = decode_block(encode_block(ids, columns))
    assert not block.unreadable
    assert list(block.ids) == ids
    assert {name: list(values) for name, values in block.columns.items()} == columns


def test_a_person_can_read_a_block() -> None:
    data = encode_block([1200, 1201], {"spot": [0.84, None], "note": ["a\nb", "c"]})
    assert data == b'["id","spot","note"]\n[1200,0.84,"a\\nb"]\n[1201,null,"c"]'


@given(lines | st.binary())
def test_hostile_bytes_are_told_and_never_raise(data: bytes) -> None:
    block = decode_block(data)
    assert ID.column(block.ids) is not None
    assert len(set(block.ids)) == len(block.ids)
    assert "id" not in block.columns
    assert all(len(values) == len(block.ids) for values in block.columns.values())


def test_the_good_lines_of_a_damaged_block_are_saved() -> None:
    data = b'["id","spot"]\n[1,0.8]\n[2,0.9\n[3]\n[1,0.7]\n{}\n[-4,1]\n[5,null]'
    block = decode_block(data)
    assert list(block.ids) == [1, 5]
    assert block.columns == {"spot": [0.8, None]}
    assert block.unreadable == (
        "line 3: is not a JSON array",
        "line 4: has 1 values for 2 names",
        "line 5: trade 1 stands twice",
        "line 6: is not a JSON array",
        f"line 7: id must be {ID.rule}",
    )


def test_without_names_nothing_can_be_saved() -> None:
    block = decode_block(b"[1,2]\n[3,4]")
    assert (list(block.ids), block.columns) == ([], {})
    assert block.unreadable == ("line 1: is not the list of names, which begins with id",)


def test_nesting_without_end_is_unreadable() -> None:
    block = decode_block(b'["id","a"]\n[1,' + b"[" * 100_000 + b"]")
    assert block.unreadable == ("line 2: is not a JSON array",)


records = st.lists(
    st.dictionaries(st.text(), json, max_size=3).flatmap(
        lambda fields: st.integers(0, 2**53).map(lambda i: {**fields, "id": i})
    )
)


@given(records)
def test_records_come_out_as_they_went_in(records: list[dict[str, object]]) -> None:
    assert decode_records(encode_records(records)) == records


@pytest.mark.parametrize("data", [b"{}", b"[1]", b"1", b'{"id":"1"}', b'{"id":1}{"id":2}', b"\xff"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - orjson and we have no words in common
        decode_records(data)


@given(lines | st.binary())
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    try:
        found = decode_records(data)
    except ValueError:
        return
    assert all(ID.allows(record["id"]) for record in found)
