"""The frames between consumer and slot process: what goes in comes out (G10)."""

import io
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.frames import LENGTH, pack, priced_parts, read_priced, read_work, work_parts
from engine.chunk import Chunk, Priced
from engine.pricing.pricer import Request

numbers = st.integers(0, 2**53)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)
chunks = st.builds(
    Chunk,
    st.lists(numbers, unique=True).map(lambda ids: np.array(sorted(ids), dtype=np.int64)),
    st.dictionaries(numbers, st.none() | st.binary()),
    st.builds(
        Request,
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
        st.dictionaries(st.text(), json),
    ),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
priced = st.builds(
    Priced, st.dictionaries(numbers, st.binary()), numbers, numbers, st.floats(0, 1e9)
)


def unpack(data: bytes) -> list[bytes]:
    """The parts of a frame, as whoever reads the pipe takes them off."""
    source = io.BytesIO(data)
    [count] = LENGTH.unpack(source.read(LENGTH.size))
    lengths = [LENGTH.unpack(source.read(LENGTH.size))[0] for _ in range(count)]
    parts = [source.read(length) for length in lengths]
    assert source.read() == b""
    return parts


@given(st.lists(st.binary()))
def test_a_frame_keeps_its_parts(parts: Sequence[bytes]) -> None:
    assert unpack(pack(parts)) == parts


@given(st.text(), chunks)
def test_work_comes_out_as_it_went_in(algorithm: str, chunk: Chunk) -> None:
    found, read = read_work(unpack(pack(work_parts(algorithm, chunk))))
    assert found == algorithm
    assert read.ids.dtype == np.int64
    assert read.ids.tolist() == chunk.ids.tolist()
    assert (read.blocks, read.request) == (chunk.blocks, chunk.request)
    assert (read.failure, read.attempts) == (chunk.failure, chunk.attempts)


@given(priced)
def test_what_was_priced_comes_out_as_it_went_in(priced: Priced) -> None:
    assert read_priced(unpack(pack(priced_parts(priced)))) == priced


@given(st.lists(st.binary(), max_size=3))
def test_an_answer_that_is_none_is_an_error_that_is_known(parts: Sequence[bytes]) -> None:
    """G10: these are what a slot takes for a process that has lost its senses."""
    with pytest.raises((ValueError, TypeError, KeyError, IndexError, struct.error)):
        read_priced(parts)
