"""Batches on their way into a book: in order, and joined where that saves work."""

from collections.abc import Iterator, Sequence

import pytest

from engine.blocks import Trades, from_rows
from engine.errors import UsageError, leaf
from engine.grid import Grid
from engine.ids import BLOCK_SIZE
from producer import load as loading
from producer.load import Batch, Rejected, gathered, load

BAD = Rejected(7, "is not JSON")


def batch(ids: Sequence[int], value: int = 0, name: str = "a", size: int = 10) -> Batch:
    return Batch(Trades(ids, {name: [value] * len(ids)}), (), size)


def scattered(first: int) -> Batch:
    return batch(range(first, first + 50 * BLOCK_SIZE, BLOCK_SIZE))


def sizes(batches: Sequence[Batch]) -> list[int]:
    return [len(each.trades.ids) for each in gathered(iter(batches))]


def test_batches_in_order_of_id_are_not_joined() -> None:
    assert sizes([batch(range(200)), batch(range(200, 400))]) == [200, 200]


def test_scattered_batches_are_joined_with_all_that_is_told_of_them() -> None:
    parts = [scattered(1), Batch(scattered(2).trades, (BAD,), 5), scattered(3)]
    [one] = gathered(iter(parts))
    assert list(one.trades.ids) == [i for part in parts for i in part.trades.ids]
    assert (one.rejected, one.size) == ((BAD,), 25)


def test_only_batches_with_the_same_fields_are_joined() -> None:
    other = Batch(Trades([5], {"b": [1]}))
    assert sizes([scattered(1), other, other, scattered(2)]) == [50, 2, 50]


def test_no_more_is_gathered_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [scattered(first) for first in range(5)]
    monkeypatch.setattr(loading, "GATHERED_TRADES", 100)
    assert sizes(parts) == [100, 100, 50]
    monkeypatch.setattr(loading, "GATHERED_TRADES", 10**6)
    monkeypatch.setattr(loading, "GATHERED_BYTES", 25)
    assert sizes(parts) == [150, 100]


async def test_later_batches_replace_trades_of_earlier_ones(grid: Grid) -> None:
    stored: list[int] = []
    parts = [batch(range(250), 1), batch(range(200, 300), 2), batch([3, 3], 3)]
    await load(grid.cache, "night", iter(parts), lambda each: stored.append(len(each.trades.ids)))
    assert stored == [250, 100, 2]
    found = [await grid.cache.trade("night", i) for i in (0, 3, 199, 200, 299)]
    assert [trade and trade["a"] for trade in found] == [1, 3, 1, 2, 2]


async def test_what_stops_the_batches_is_raised(grid: Grid) -> None:
    def batches() -> Iterator[Batch]:
        yield Batch(from_rows([{"a": 1}], [5]))
        raise UsageError("cannot read the file")

    with pytest.raises(ExceptionGroup) as raised:
        await load(grid.cache, "night", batches(), lambda _: None)
    assert str(leaf(raised.value)) == "cannot read the file"
