"""Reading what stands in a stream: whatever the bytes, the answer is a value (G10)."""

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.entry import Entry, Unreadable, read_entry, unfit
from engine.job import Lane

GOOD = {b"job": b"night", b"epoch": b"1", b"ids": b"0-9"}

names = st.sampled_from([b"job", b"epoch", b"ids", b"spent", b"lapsed"]) | st.binary(max_size=8)


@given(st.dictionaries(names, st.binary() | st.integers().map(lambda n: str(n).encode())))
@example({**GOOD, b"spent": b"9" * 5000})
@example({**GOOD, b"epoch": b"-" * 5000})
def test_any_message_is_a_value(fields: Mapping[bytes, bytes]) -> None:
    read = read_entry(0, Lane.BULK, b"1-0", fields)
    assert isinstance(read, Entry | Unreadable)
    if isinstance(read, Unreadable):
        assert read.reason
        assert read.fields == fields


attempts = st.integers(0, 2**31)


@given(
    st.from_regex("[a-z]{1,20}", fullmatch=True),
    st.integers(0, 2**63),
    st.text(min_size=1, max_size=20),
    attempts,
    attempts,
)
def test_an_entry_that_is_put_aside_can_be_read_again(
    job: str, epoch: int, ids: str, spent: int, lapsed: int
) -> None:
    entry = Entry(2, Lane.HIGH, "7-1", job, epoch, ids, spent, deliveries=3, lapsed=lapsed)
    aside = unfit(entry, "why")
    assert aside.reason == "why"
    again = read_entry(aside.partition, aside.lane, aside.entry_id.encode(), aside.fields)
    assert again == Entry(2, Lane.HIGH, "7-1", job, epoch, ids, spent, lapsed=lapsed)


@pytest.mark.parametrize("name", [b"spent", b"lapsed"])
@pytest.mark.parametrize("number", [b"-1", b"1000000000000000000000", b"x", b""])
def test_attempts_that_cannot_have_been_made(name: bytes, number: bytes) -> None:
    """G5: with a number below 0 a deadly trade would be tried for ever."""
    assert isinstance(read_entry(0, Lane.BULK, b"1-0", {**GOOD, name: number}), Unreadable)


def test_attempts_add_up() -> None:
    entry = read_entry(0, Lane.BULK, b"1-0", {**GOOD, b"spent": b"2", b"lapsed": b"4"}, 3)
    assert isinstance(entry, Entry)
    assert (entry.delivered, entry.attempts) == (7, 9)


def test_an_entry_without_trades_is_none() -> None:
    """It would be nothing to divide a time by, and nothing to settle."""
    read = read_entry(0, Lane.BULK, b"1-0", {**GOOD, b"ids": b""})
    assert isinstance(read, Unreadable)
    assert read.reason == "it has no trades"


def test_a_missing_field_is_named() -> None:
    read = read_entry(0, Lane.BULK, b"1-0", {b"job": b"night", b"epoch": b"1"})
    assert isinstance(read, Unreadable)
    assert read.reason == "it has no field ids"
