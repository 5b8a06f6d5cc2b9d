"""What becomes of an entry that comes back (G5)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.decisions import Verdict, halves, judge
from engine.ids import parse_ids

limits = st.integers(1, 10)


@given(st.integers(1, 100), st.integers(1, 1000), limits)
def test_a_verdict(attempts: int, trades: int, limit: int) -> None:
    verdict = judge(attempts=attempts, trades=trades, limit=limit)
    assert (verdict is Verdict.PRICE) == (attempts <= limit)
    assert (verdict is Verdict.BURY) == (attempts > limit and trades == 1)


@given(st.lists(st.integers(0, 2**53), min_size=2, unique=True))
def test_halves_hold_each_trade_once(ids: list[int]) -> None:
    whole = np.array(sorted(ids), dtype=np.int64)
    first, second = map(parse_ids, halves(whole))
    assert np.concatenate((first, second)).tolist() == whole.tolist()
    assert 0 <= len(second) - len(first) <= 1
    assert len(first)


@given(st.integers(1, 2000), limits, st.data())
def test_splitting_finds_the_one_to_blame(trades: int, limit: int, data: st.DataObject) -> None:
    """G5: one trade that kills whoever prices it ends dead, all others are priced, and the deaths
    on the way are few."""
    deadly = data.draw(st.integers(0, trades - 1))
    todo, priced, deaths = [(np.arange(trades), 0)], 0, 0
    while todo:
        ids, attempts = todo.pop()
        match judge(attempts=attempts + 1, trades=len(ids), limit=limit):
            case Verdict.PRICE if deadly in ids:
                deaths += 1
                todo.append((ids, attempts + 1))
            case Verdict.PRICE:
                priced += len(ids)
            case Verdict.SPLIT:
                todo += [(parse_ids(half), limit - 1) for half in halves(ids)]
            case Verdict.BURY:
                assert ids.tolist() == [deadly]
    assert priced == trades - 1
    assert deaths <= limit + np.ceil(np.log2(trades))
