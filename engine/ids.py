"""Trade IDs as text, and their blocks: ``1000-1099,1105`` in entries, manifests and the index.

Pure. Arrays of IDs are int64, ascending and without repeats.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

BLOCK_SIZE = 100
"""Trades a block: measured, see docs/measurements.md. It is part of the stored format."""

MAX_ID = 2**53
"""IDs stay exact in every JSON reader."""

MAX_IDS = 10_000
"""No text may stand for more IDs than this, which are those of the largest chunk: twenty bytes must
neither fill the memory nor keep a consumer from its other work."""


def format_ids(ids: Ids) -> str:
    """Write ascending IDs as ranges: ``[3, 4, 5, 9]`` becomes ``3-5,9``."""
    if not len(ids):
        return ""
    first, last = int(ids[0]), int(ids[-1])
    if last - first + 1 == len(ids):  # as nearly always: no array is worth its making
        return str(first) if first == last else f"{first}-{last}"
    breaks = np.flatnonzero(np.diff(ids) != 1)
    firsts = ids[np.concatenate(([0], breaks + 1))].tolist()
    lasts = ids[np.concatenate((breaks, [len(ids) - 1]))].tolist()
    return ",".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in zip(firsts, lasts, strict=True)
    )


def parse_ids(text: str) -> Ids:
    """Read what ``format_ids`` wrote, ranges in any order.

    Raises ValueError if it is no list of ranges, overlaps, or stands for over ``MAX_IDS`` IDs.
    """
    if not text:
        return np.empty(0, dtype=np.int64)
    pieces = []
    total = 0
    for part in text.split(","):
        first, last = _range(part)
        total += last - first + 1
        if total > MAX_IDS:
            raise ValueError(f"more than {MAX_IDS} trade IDs in one list")
        pieces.append(np.arange(first, last + 1, dtype=np.int64))
    ids = np.sort(np.concatenate(pieces))
    if (np.diff(ids) == 0).any():
        raise ValueError(f"a trade ID stands twice in {text[:60]!r}")
    return ids


def by_block(ids: Ids) -> Iterator[tuple[int, Ids]]:
    """Cut ascending IDs into their blocks, in order of block."""
    if len(ids) and ids[0] // BLOCK_SIZE == ids[-1] // BLOCK_SIZE:  # as nearly always
        yield int(ids[0]) // BLOCK_SIZE, ids
        return
    blocks = ids // BLOCK_SIZE
    for part in np.split(ids, np.flatnonzero(np.diff(blocks)) + 1):
        if len(part):
            yield int(part[0]) // BLOCK_SIZE, part


def partition_of(block: int, partitions: int) -> int:
    """The partition that holds a block; neighbours spread over all of them."""
    return block % partitions


def _range(part: str) -> tuple[int, int]:
    first_text, dash, last_text = part.partition("-")
    # str.isdigit admits other scripts' digits, which int reads too; none of ours are written so.
    if not (first_text.isascii() and first_text.isdigit()):
        raise ValueError(f"{part[:60]!r} is no trade ID and no range of them")
    if dash and not (last_text.isascii() and last_text.isdigit()):
        raise ValueError(f"{part[:60]!r} is no range of trade IDs")
    # Bounded before int() reads it: Python refuses very long digit strings with its own words.
    if max(len(first_text), len(last_text)) > len(str(MAX_ID)):
        raise ValueError(f"{part[:60]!r} is above the highest trade ID, {MAX_ID}")
    first = int(first_text)
    last = int(last_text) if dash else first
    if not first <= last <= MAX_ID:
        raise ValueError(f"{part[:60]!r} is no ascending range of IDs up to {MAX_ID}")
    return first, last
