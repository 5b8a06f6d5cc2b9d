"""A log on its way to a blob while it is written.

Whoever logs leaves a line and goes on: no disk and no network holds him up. One thread puts lines
on disk at once, in a spool, whatever the network does; another sends them from there, in batches,
to append blobs. What cannot be sent now is kept, within a bound, and sent when it can be; what goes
beyond is counted, and the log says how many lines it lacks.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from engine.backoff import delay
from engine.blobs import BLOCK, MOST_BLOCKS, BlobError, Blobs, Full, Moved
from engine.spool import Spool

GATHER = 1.0
"""Seconds between two batches: a blob has room for half a day of such blocks."""

MOST_WAITING = 20_000
"""Lines that wait for the disk."""

MOST_SPOOLED = 64 << 20
"""Bytes on disk that have not arrived."""

BLOCKS = MOST_BLOCKS - 1_000
"""After which a blob is followed by another."""

LAST_WORDS = 5.0
"""Seconds that sending what is left may take at the end."""

SLOW = 30.0
"""The longest pause, in seconds, before a place that does not answer is tried again; and that after
something which others have left could not be sent."""

Complain = Callable[[str], None]
"""Tells a person what goes wrong, at most once for each outage."""


class LogStream:
    """Carries the lines of one process to blobs ``NAME-0001.log``, ``NAME-0002.log`` and so on."""

    def __init__(
        self, blobs: Blobs, name: str, folder: Path, complain: Complain, blocks: int = BLOCKS
    ) -> None:
        """``folder`` is for spools. Those that were left there are sent, too.

        Raises OSError if nothing can be written there.
        """
        self._blobs, self._name, self._complain, self._most = blobs, name, complain, blocks
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lost = 0
        self._losing = threading.Lock()
        self._number = 1
        self._blocks = 0
        self._failures = 0
        self._ending = threading.Event()
        # Not by its name, which may be longer than a file's may be; its head says it.
        file = blake2b(name.encode(errors="replace"), digest_size=16).hexdigest() + ".spool"
        self._spool = Spool.create(folder / file, self._blob)
        # One at a time: after a long outage there may be more than a process may have open.
        self._folder, self._left = folder, Spool.left_in(folder)
        self._left_at = 0.0
        """When what others have left is gone on with."""
        self._passed_over = 0
        """Of these, how many could not be sent."""
        self._keeping = threading.Thread(target=self._keep, name="logs-keep", daemon=True)
        self._sending = threading.Thread(target=self._send, name="logs-send", daemon=True)
        self._keeping.start()
        self._sending.start()

    def write(self, line: str) -> None:
        """Take a line, which ends as lines do. Never waits, and never fails."""
        if self._lines.qsize() >= MOST_WAITING:
            self._lose(1)
        else:
            self._lines.put(line.encode(errors="replace"))

    def stop(self) -> bool:
        """Send what is left; whether all of it has arrived. If not, it is on disk."""
        self._ending.set()
        self._lines.put(None)
        # The disk first: sending may hang in a request, and has the same time for its end.
        end = time.monotonic() + LAST_WORDS
        self._keeping.join(LAST_WORDS)
        self._sending.join(max(0.0, end - time.monotonic()))
        return not (self._sending.is_alive() or len(self._spool))

    @property
    def _blob(self) -> str:
        return f"{self._name}-{self._number:04}.log"

    def _lose(self, count: int) -> None:
        with self._losing:
            self._lost += count

    def _keep(self) -> None:
        """Put on disk what waits, as soon as it does, until the last of it."""
        failing = last = False
        while not last:
            lines, last = self._next_lines()
            try:
                self._put(lines, last=last)
                failing = False
            except OSError as error:
                # Once: this is a line, too, and the disk may not take that either.
                if not failing:
                    self._complain(f"{self._spool.path}: {error.strerror}")
                failing = True

    def _next_lines(self) -> tuple[list[bytes], bool]:
        """All that wait, at least one unless a gap is to be told; and whether they are the last."""
        lines: list[bytes] = []
        with suppress(queue.Empty):
            line = self._lines.get(timeout=GATHER if self._lost else None)
            while line is not None:
                lines.append(line)
                line = self._lines.get_nowait()
            return lines, True
        return lines, False

    def _put(self, lines: list[bytes], *, last: bool) -> None:
        """Put lines on disk if there is room, and behind them what is missing before."""
        count = len(lines)
        if len(self._spool) + sum(map(len, lines)) > MOST_SPOOLED:
            self._lose(count)
            count, lines = 0, []
        with self._losing:
            told = self._lost if last or len(self._spool) < MOST_SPOOLED // 2 else 0
            self._lost -= told
        if told:
            lines.append(b'{"event": "lines are missing here", "lines": %d}\n' % told)
        try:
            if lines:
                self._spool.add(b"".join(lines))
        except OSError:
            self._lose(count + told)
            raise

    def _send(self) -> None:
        until = 0.0
        while not self._ending.wait(GATHER):
            if time.monotonic() >= until:
                until = time.monotonic() + self._send_all()
        end = time.monotonic() + LAST_WORDS
        self._keeping.join(LAST_WORDS)
        while (pause := self._send_all()) and time.monotonic() + pause < end:
            time.sleep(min(pause, 0.5))
        self._spool.close()

    def _send_all(self) -> float:
        """Send what is on disk now; returns for how many seconds not to try again."""
        try:
            left = len(self._spool)
            while left > 0:
                left -= self._send_some()
        except (BlobError, OSError) as error:
            if not self._failures:
                self._complain(str(error))
            self._failures += 1
            return min(SLOW, delay(self._failures) * 2.0 ** max(0, self._failures - 6))
        self._failures = 0
        self._send_what_was_left()
        return 0.0

    def _send_what_was_left(self) -> None:
        """Send what others have left; what cannot be sent holds up neither that nor our own."""
        if time.monotonic() < self._left_at:
            return
        try:
            for spool in self._left:
                try:
                    self._send_left(spool)
                finally:
                    spool.close()
        except (BlobError, OSError) as error:
            if not self._passed_over:
                self._complain(str(error))
            self._passed_over += 1
        else:
            if not self._passed_over:
                return
            # From the first on again: another process may have sent them meanwhile.
            self._passed_over, self._left = 0, Spool.left_in(self._folder)
        self._left_at = time.monotonic() + SLOW

    def _send_some(self) -> int:
        """Send a block; returns how many bytes more have arrived."""
        if self._blocks >= self._most:
            self._follow()
        try:
            arrived = _append(self._blobs, self._spool)
        except (Moved, Full):
            self._follow()
            return 0
        self._blocks += 1
        self._failures = 0
        return arrived

    def _send_left(self, spool: Spool) -> None:
        """Send what somebody has left."""
        while len(spool):
            try:
                _append(self._blobs, spool)
            except (Moved, Full):
                # Into a blob of its own, rather than not at all.
                spool.move(f"{spool.blob.removesuffix('.log')}-left.log")

    def _follow(self) -> None:
        """Go on with the next blob."""
        self._number += 1
        self._spool.move(self._blob)
        self._blocks = 0


def _append(blobs: Blobs, spool: Spool) -> int:
    """Send the next bytes of a spool; returns how many have arrived.

    Raises Moved if somebody else has written to the blob.
    """
    data = spool.next(BLOCK)
    arrived = len(data)
    try:
        blobs.append(spool.blob, data, spool.at)
    except Moved:
        # An append whose answer was lost may have been made; or one of who left the spool.
        arrived = (blobs.length(spool.blob) or 0) - spool.at
        if not 0 < arrived <= len(spool):
            raise
    spool.arrived(arrived)
    return arrived
