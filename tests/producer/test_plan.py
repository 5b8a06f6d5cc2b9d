"""Which trades a job is to price, and how they are cut."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.ids import MAX_ID, by_block, partition_of
from producer.plan import MAX_COUNT, Span, batches_of, chunks_of, wanted_of

some_ids = st.lists(st.integers(0, 5_000) | st.integers(MAX_ID - 500, MAX_ID), unique=True).map(
    lambda ids: np.array(sorted(ids), dtype=np.int64)
)


@settings(deadline=None)
@given(ids=some_ids, partitions=st.integers(1, 7), chunk=st.integers(1, 350))
def test_every_trade_is_in_one_chunk_of_its_partition(
    ids: np.ndarray, partitions: int, chunk: int
) -> None:
    chunks = list(chunks_of(by_block(ids), partitions, chunk))
    assert sorted(int(i) for _, part in chunks for i in part) == ids.tolist()
    for partition, part in chunks:
        assert 1 <= len(part) <= chunk
        assert (np.diff(part) > 0).all()
        assert {partition_of(int(i) // 100, partitions) for i in part} == {partition}
    # Only the last of a partition is not full.
    assert sum(len(part) < chunk for _, part in chunks) <= partitions
    for partition in range(partitions):
        own = [part for p, part in chunks if p == partition]
        assert (np.diff(np.concatenate(own)) > 0).all() if own else True


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 3), st.just(2)), max_size=1_000),
    chunk=st.sampled_from([1, 2, 99, 101, 10_000]),
)
def test_batches_hold_every_chunk_once_and_are_bounded(
    sizes: list[tuple[int, int]], chunk: int
) -> None:
    chunks = [(partition, np.array([at, at + 1])) for at, (partition, _) in enumerate(sizes)]
    batches = list(batches_of(chunks, 4, chunk))
    found = [(partition, part[0]) for partition, parts in batches for part in parts]
    assert sorted(found) == sorted((partition, part[0]) for partition, part in chunks)
    for _, parts in batches:
        assert len(parts) <= 200
        assert len(parts) * chunk <= 20_000


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5:", ":5", "-1:5", "1:0", "1:-1", "a:b", "1:2:3", "1.0:2", "٣:٤", " 1:2"),
        *(f"0:{MAX_COUNT + 1}", f"{MAX_ID}:2", "9" * 30 + ":1", "1:" + "9" * 5000),
    ],
)
def test_a_range_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="trades"):
        Span.parse(text)


@pytest.mark.parametrize("text", ["0:1", "99:2", f"{MAX_ID}:1", f"0:{MAX_COUNT}"])
def test_a_range_reads_as_it_is_written(text: str) -> None:
    assert str(Span.parse(text)) == text


@pytest.mark.parametrize(("text", "read"), [("0:10k", "0:10000"), ("1M:1e2", "1000000:100")])
def test_a_range_may_be_written_short(text: str, read: str) -> None:
    assert str(Span.parse(text)) == read


def test_a_range_knows_its_blocks() -> None:
    blocks = [(number, ids.tolist()) for number, ids in Span.parse("98:104").blocks()]
    assert [number for number, _ in blocks] == [0, 1, 2]
    assert [i for _, ids in blocks for i in ids] == list(range(98, 202))


def test_the_largest_range_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        for _ in islice(Span.parse(f"0:{MAX_COUNT}").blocks(), 1_000):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


INDEX = dict(by_block(np.arange(50, 1000)))


def test_all_of_a_book_is_wanted() -> None:
    wanted = wanted_of("default", INDEX, None)
    assert list(wanted.besides({})) == list(INDEX.items())
    assert wanted.missing == 0


def test_trades_that_the_book_lacks_are_wanted_and_counted() -> None:
    wanted = wanted_of("default", INDEX, Span.parse("0:1200"))
    assert sum(len(ids) for _, ids in wanted.blocks()) == 1200
    assert wanted.missing == 250


@settings(deadline=None)
@given(given_ids=st.sets(st.integers(0, 1_100)))
def test_what_was_given_is_not_wanted_again(given_ids: set[int]) -> None:
    wanted = wanted_of("default", INDEX, Span.parse("0:1050"))
    given_blocks = dict(by_block(np.array(sorted(given_ids), dtype=np.int64)))
    rest = [i for _, ids in wanted.besides(given_blocks) for i in ids.tolist()]
    assert rest == [i for i in range(1050) if i not in given_ids]


@pytest.mark.parametrize("text", ["0:50", "1000:10", "5000000:1"])
def test_a_range_outside_tells_what_the_book_holds(text: str) -> None:
    with pytest.raises(UsageError, match=r"book 'default' holds trades 50-999, none of these"):
        wanted_of("default", INDEX, Span.parse(text))


def test_a_book_with_gaps_is_told_as_such() -> None:
    index = dict(by_block(np.array([7, 9, 500])))
    with pytest.raises(UsageError, match="holds 3 trades between 7 and 500"):
        wanted_of("default", index, Span.parse("10:9"))


def test_a_count_with_digits_too_many_is_told() -> None:
    with pytest.raises(UsageError, match=r"holds trades 50-999, so that 1999999050 would be miss"):
        wanted_of("default", INDEX, Span.parse("0:2000000000"))


def test_an_empty_book_is_told() -> None:
    with pytest.raises(UsageError, match="book 'default' is empty"):
        wanted_of("default", {}, None)
