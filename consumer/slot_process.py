"""A slot's own process, for pricers that hold the GIL: it may be killed, and replaced, at will."""

import os
import signal
import sys
from collections.abc import Sequence

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from consumer.frames import LENGTH, pack, read_priced, work_parts
from engine.chunk import Chunk, Priced

PROGRAM = (sys.executable, "-P", "-m", "consumer.slot_child")


ENDING = 1.0
"""Seconds that a process has to end after its pipes."""


class ProcessDied(Exception):
    """The process ended with a chunk in hand, or has lost its senses."""


class SlotProcess:
    """At most one process; started when it is first needed, and again after it has died."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._answers: BufferedByteReceiveStream | None = None

    async def price(self, algorithm: str, chunk: Chunk) -> Priced:
        """Price a chunk in the process; kills it if cancelled.

        Raises ProcessDied if it ends before it has answered.
        """
        if self._process is None or self._process.returncode is not None:
            # One that has died idle, for want of memory say, is not this chunk's doing.
            await self.stop()
            await self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send(pack(work_parts(algorithm, chunk)))
            return read_priced(await self._receive())
        except (anyio.BrokenResourceError, anyio.IncompleteRead, anyio.EndOfStream) as error:
            with anyio.move_on_after(ENDING):  # It may have closed its pipes and live on.
                await self._process.wait()
            code = self._process.returncode
            await self.stop()
            raise ProcessDied(f"the pricer's process {_told(code)}") from error
        except (ValueError, TypeError, KeyError) as error:
            await self.stop()
            raise ProcessDied("the pricer has written where only the grid may") from error
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.stop()
            raise

    async def stop(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.aclose()

    async def _start(self) -> None:
        # Its own session: Ctrl-C in the terminal is for the consumer, which lets it finish.
        self._process = await anyio.open_process(
            PROGRAM, stderr=None, start_new_session=True, env=_environment()
        )
        assert self._process.stdout is not None
        self._answers = BufferedByteReceiveStream(self._process.stdout)

    async def _receive(self) -> Sequence[bytes]:
        assert self._answers is not None
        [count] = LENGTH.unpack(await self._answers.receive_exactly(LENGTH.size))
        lengths = await self._answers.receive_exactly(LENGTH.size * count)
        return [
            await self._answers.receive_exactly(length) if length else b""
            for [length] in LENGTH.iter_unpack(lengths)
        ]


def _environment() -> dict[str, str]:
    """This process's own, with all that it can import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def _told(code: int | None) -> str:
    """An exit code in words, None for a process that had to be killed."""
    if code is None:
        return "has closed its pipes"
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}"
