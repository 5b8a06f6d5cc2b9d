"""The frames between a consumer and a slot process: a chunk there, what came of it back.

A frame is a list of byte strings: their number and lengths as 8-byte integers, then the strings.
The first is JSON; the others are block bytes, passed on as they are. No pickle: what runs in the
process may be anybody's code (G10).
"""

import struct
from collections.abc import Sequence

import numpy as np
import orjson

from engine.chunk import Chunk, Priced
from engine.pricing.pricer import Request

LENGTH = struct.Struct("<Q")


def pack(parts: Sequence[bytes]) -> bytes:
    """Write a frame."""
    lengths = [LENGTH.pack(len(part)) for part in parts]
    return b"".join([LENGTH.pack(len(parts)), *lengths, *parts])


def work_parts(algorithm: str, chunk: Chunk) -> list[bytes]:
    """The parts of the frame that asks for a chunk to be priced."""
    there = {number: data for number, data in chunk.blocks.items() if data is not None}
    head = {
        "algorithm": algorithm,
        "ids": chunk.ids.tolist(),
        "request": chunk.request,
        "failure": chunk.failure,
        "attempts": chunk.attempts,
        "blocks": list(there),
        "absent": [number for number in chunk.blocks if number not in there],
    }
    # dict, for the view of a mapping that a request's options are.
    return [orjson.dumps(head, default=dict), *there.values()]


def read_work(parts: Sequence[bytes]) -> tuple[str, Chunk]:
    """The algorithm and chunk of such a frame."""
    head = orjson.loads(parts[0])
    blocks: dict[int, bytes | None] = dict(zip(head["blocks"], parts[1:], strict=True))
    blocks |= dict.fromkeys(head["absent"])
    ids = np.array(head["ids"], dtype=np.int64)
    request = Request(**head["request"])
    return head["algorithm"], Chunk(ids, blocks, request, head["failure"], head["attempts"])


def priced_parts(priced: Priced) -> list[bytes]:
    """The parts of the frame that answers."""
    head = {
        "priced": priced.priced,
        "rejected": priced.rejected,
        "seconds": priced.seconds,
        "blocks": list(priced.records),
    }
    return [orjson.dumps(head), *priced.records.values()]


def read_priced(parts: Sequence[bytes]) -> Priced:
    """What came of the chunk, from such a frame."""
    head = orjson.loads(parts[0])
    records = dict(zip(head["blocks"], parts[1:], strict=True))
    return Priced(records, head["priced"], head["rejected"], head["seconds"])
