"""Whatever others have written: a value or a known error, in bounded time and memory (G10)."""

import gzip
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.readers import MAX_LINE
from tests.hostile.bombs import BOMBS, noise
from tests.hostile.decoders import DECODERS, Decoder

SECONDS = 10.0
"""For one bomb, whose memory is traced, which takes its time. A bomb that goes off has no end."""

MEGABYTES = 200
"""That reading a bomb may take: it is a megabyte at most."""


each_decoder = pytest.mark.parametrize("decoder", DECODERS.values(), ids=list(DECODERS))


@each_decoder
def test_the_examples_are_read(decoder: Decoder) -> None:
    """Else the rest would throw bytes at a wall."""
    assert all(decoder.survives(good) for good in decoder.good)


@each_decoder
@given(data=st.data())
def test_any_bytes_give_a_value_or_a_known_error(decoder: Decoder, data: st.DataObject) -> None:
    decoder.survives(data.draw(noise(decoder.good)))


@each_decoder
@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_bombs_are_defused(decoder: Decoder, bomb: str) -> None:
    for data in BOMBS[bomb](decoder.good[0]):
        with bounded():
            decoder.survives(data)


def test_a_file_that_is_larger_than_it_looks_is_read_in_little_memory() -> None:
    """A line without end, and lines without number, of a thousand times the size of the file."""
    zeros = gzip.compress(bytes(32 * MAX_LINE))
    lines = gzip.compress(b'{"id":1}\n' * 30_000)
    nested = gzip.compress(gzip.compress(bytes(8 * MAX_LINE)))
    with bounded(megabytes=64, seconds=60):
        for data in (zeros, lines, nested):
            DECODERS["trades"].survives(data)


@contextmanager
def bounded(megabytes: float = MEGABYTES, seconds: float = SECONDS) -> Iterator[None]:
    tracemalloc.start()
    began = time.thread_time()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < seconds
    assert peak < megabytes * 1e6
