"""What to do with an entry that was not settled by whoever had it. Pure."""

from enum import Enum, auto

from engine.ids import Ids, format_ids


class Verdict(Enum):
    """What becomes of an entry that is delivered again."""

    PRICE = auto()
    SPLIT = auto()
    """Its attempts are used up: find the trade to blame among its halves."""
    BURY = auto()
    """A single trade has used up its attempts: it is dead."""


def judge(*, attempts: int, trades: int, limit: int) -> Verdict:
    """Decide on an entry that is about to be priced for the ``attempts``-th time.

    ``limit`` is the number of attempts a chunk or a trade has.
    """
    if attempts <= limit:
        return Verdict.PRICE
    return Verdict.SPLIT if trades > 1 else Verdict.BURY


def halves(ids: Ids) -> list[str]:
    """The IDs of a chunk of two or more as two, written as in an entry."""
    middle = len(ids) // 2
    return [format_ids(ids[:middle]), format_ids(ids[middle:])]
