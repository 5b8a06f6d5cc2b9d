"""What runs in a slot process: price what comes on standard input until that ends.

Its arguments are the file descriptor of its ``Trace``, and the megabytes that pricing may take, 0
for no bound.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from consumer import slot_memory
from consumer.frames import LENGTH, pack, priced_parts, read_work
from consumer.slot_trace import tell
from engine.chunk import price_chunk
from engine.pricing.registry import find


def main() -> None:
    """Answer each frame with a frame."""
    tell(int(sys.argv[1]))
    memory = int(sys.argv[2])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # A pricer that prints must not write between our frames.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    frames: queue.SimpleQueue[Sequence[bytes]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, frames), daemon=True).start()
    while True:
        algorithm, chunk = read_work(frames.get())
        pricer = find(algorithm)
        if memory:
            # From here on: what the first pricer needs to be there at all is not for pricing.
            slot_memory.bound(memory)
            memory = 0
        priced = price_chunk(pricer, chunk, time.perf_counter)
        try:
            answers.write(pack(priced_parts(priced)))
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # The consumer is gone, and whoever takes over has it priced again.


def _read(source: BinaryIO, frames: "queue.SimpleQueue[Sequence[bytes]]") -> None:
    """Pass frames on; end the process as soon as the consumer is gone, even in mid-price."""
    with suppress(EOFError):
        while True:
            [count] = LENGTH.unpack(_exactly(source, LENGTH.size))
            lengths = _exactly(source, LENGTH.size * count)
            frames.put([_exactly(source, length) for [length] in LENGTH.iter_unpack(lengths)])
    os._exit(0)


def _exactly(source: BinaryIO, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


if __name__ == "__main__":
    main()
