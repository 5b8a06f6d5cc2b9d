"""A log on its way to a blob while it is written: in batches, from a thread of its own.

Whoever logs leaves a line and goes on: no disk and no network holds him up. The thread writes lines
to a spool on disk, and from there to append blobs. What cannot be sent now is kept, within a
bound, and sent when it can be; what goes beyond is counted, and the log says how many lines it
lacks.
"""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.backoff import delay
from engine.blobs import BLOCK, MOST_BLOCKS, BlobError, Blobs, Full, Moved
from engine.spool import Spool

GATHER = 1.0
"""Seconds for which lines are gathered: a blob has room for half a day of such blocks."""

MOST_WAITING = 20_000
"""Lines that wait for the thread."""

MOST_SPOOLED = 64 << 20
"""Bytes on disk that have not arrived."""

BLOCKS = MOST_BLOCKS - 1_000
"""After which a blob is followed by another."""

LAST_WORDS = 5.0
"""Seconds that sending what is left may take at the end."""

SLOW = 30.0
"""The longest pause, in seconds, before a place that does not answer is tried again."""

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
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lost = 0
        self._number = 1
        self._blocks = 0
        self._failures = 0
        self._ending = threading.Event()
        self._spool = Spool.create(folder / f"{name.replace('/', '+')}.spool", self._blob)
        self._left = list(Spool.left_in(folder))
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, which ends as lines do. Never waits, and never fails."""
        if self._lines.qsize() >= MOST_WAITING:
            self._lost += 1
        else:
            self._lines.put(line.encode(errors="replace"))

    def stop(self) -> bool:
        """Send what is left; whether all of it has arrived. If not, it is on disk."""
        self._ending.set()
        self._thread.join(LAST_WORDS)
        if self._thread.is_alive():
            # It hangs in a request, and has nothing else to do with the spool.
            self._gather()
        return not self._thread.is_alive() and not len(self._spool)

    @property
    def _blob(self) -> str:
        return f"{self._name}-{self._number:04}.log"

    def _run(self) -> None:
        until = 0.0
        while not self._ending.wait(GATHER):
            self._gather()
            if time.monotonic() >= until:
                until = time.monotonic() + self._send_all()
        end = time.monotonic() + LAST_WORDS
        self._gather()
        while (pause := self._send_all()) and time.monotonic() + pause < end:
            time.sleep(min(pause, 0.5))
        self._spool.close()

    def _gather(self) -> None:
        """Put what waits on disk."""
        lines: list[bytes] = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        room = MOST_SPOOLED - len(self._spool)
        if sum(map(len, lines)) > room:
            self._lost, lines = self._lost + len(lines), []
        lost = 0
        if self._lost and len(self._spool) < MOST_SPOOLED // 2:
            lost, self._lost = self._lost, 0
            lines.append(b'{"event": "lines are missing here", "lines": %d}\n' % lost)
        if lines:
            try:
                self._spool.add(b"".join(lines))
            except OSError as error:
                self._lost += lost + len(lines) - bool(lost)
                self._complain(f"{self._spool.path}: {error.strerror}")

    def _send_all(self) -> float:
        """Send what is on disk; returns for how many seconds not to try again."""
        try:
            while len(self._spool):
                self._send(self._spool)
            while self._left:
                self._send_left(self._left[-1])
                self._left.pop().close()
        except (BlobError, OSError) as error:
            if not self._failures:
                self._complain(str(error))
            self._failures += 1
            return min(SLOW, delay(self._failures) * 2.0 ** max(0, self._failures - 6))
        self._failures = 0
        return 0.0

    def _send(self, spool: Spool) -> None:
        if self._blocks >= self._most:
            self._follow()
        try:
            self._blocks += _append(self._blobs, spool)
            self._failures = 0
        except (Moved, Full):
            self._follow()

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
    """Send the next bytes of a spool; returns how many blocks that took.

    Raises Moved if somebody else has written to the blob.
    """
    data = spool.next(BLOCK)
    try:
        blobs.append(spool.blob, data, spool.at)
    except Moved:
        # An append whose answer was lost may have been made; or one of who left the spool.
        arrived = (blobs.length(spool.blob) or 0) - spool.at
        if not 0 < arrived <= len(spool):
            raise
        spool.arrived(arrived)
        return 0
    spool.arrived(len(data))
    return 1
