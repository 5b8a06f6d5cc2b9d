"""A slot's own process, for pricers that hold the GIL: it may be killed, and replaced, at will."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import numpy as np
import structlog
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from consumer import slot_memory
from consumer.frames import LENGTH, pack, read_priced, work_parts
from consumer.priority import step_back
from consumer.slot_trace import Trace
from engine.chunk import Chunk, Priced
from engine.pricing.pricer import Request

PROGRAM = (sys.executable, "-P", "-m", "consumer.slot_child")

ENDING = 1.0
"""Seconds that a process has to end after its pipes."""


_NOTHING = Chunk(np.empty(0, dtype=np.int64), {}, Request(), 0.0, 1)
"""To price it, a process needs no more than its pricer."""


_ENDED = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.IncompleteRead,
    anyio.EndOfStream,
)
"""What the pipes of a process say that has ended."""

_UNREADABLE = (ValueError, TypeError, KeyError)
"""What comes of an answer that is none."""

log = structlog.get_logger()


class SlotError(Exception):
    """The process has not answered, and is no more."""

    def __init__(self, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.traceback = traceback
        """Where it was, "" if that is not known."""


class ProcessDied(SlotError):
    """The process ended with a chunk in hand, or has lost its senses."""


class NotStarted(SlotError):
    """There is no process: the machine lacks memory, or open files, or processes, for now."""


class TookTooLong(SlotError):
    """The process was killed, for it took too long over a chunk."""


@dataclass(slots=True, eq=False)
class _Running:
    """A process that was started."""

    process: Process
    answers: BufferedByteReceiveStream
    trace: Trace
    loaded: set[str] = field(default_factory=set)
    """The algorithms whose pricer it has."""
    warm: set[str] = field(default_factory=set)
    """Those that it has priced something by: some pricers compile then."""

    async def price(self, algorithm: str, chunk: Chunk) -> Priced:
        assert self.process.stdin is not None
        await self.process.stdin.send(pack(work_parts(algorithm, chunk)))
        priced = await self.answer()
        self.loaded.add(algorithm)
        if len(chunk.ids):
            self.warm.add(algorithm)
        return priced

    async def answer(self) -> Priced:
        """What it answers to a chunk that it was given."""
        return read_priced(await self._receive())

    async def _receive(self) -> Sequence[bytes]:
        [count] = LENGTH.unpack(await self.answers.receive_exactly(LENGTH.size))
        lengths = await self.answers.receive_exactly(LENGTH.size * count)
        return [
            await self.answers.receive_exactly(length) if length else b""
            for [length] in LENGTH.iter_unpack(lengths)
        ]

    async def ending(self) -> str:
        """How it has ended, in words."""
        with anyio.move_on_after(ENDING):  # It may have closed its pipes and live on.
            await self.process.wait()
        return _told(self.process.returncode)

    async def stop(self) -> None:
        if self.process.returncode is None:
            # With all that the pricer may have started: it leads a group of its own.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.aclose()
        self.trace.close()


class SlotProcess:
    """At most one process; started when it is first needed, and again after it has died."""

    def __init__(
        self,
        *,
        behind: bool = False,
        memory: int | None = None,
        warm_up: float = 0.0,
        tasks: TaskGroup | None = None,
    ) -> None:
        """``behind`` has the process step back for realtime; pricing may take ``memory`` megabytes.

        Its first answer may take ``warm_up`` seconds longer than a limit says. With ``tasks``, who
        asked does not wait that long: the process goes on aside, for those who ask later.
        """
        self._behind = behind
        self._memory = memory
        self._warm_up = warm_up
        self._tasks = tasks
        self._running: _Running | None = None
        self._aside: _Running | None = None
        """One that gets ready, though whoever asked for it has given up."""
        self._ready_now: _Running | None = None
        """That one, when it is."""
        self.not_started = 0
        """How often in a row one could not be started."""

    async def begin(self, algorithm: str) -> None:
        """Have a process at hand that has loaded the pricer, in ``warm_up`` seconds.

        Raises ProcessDied and NotStarted.
        """
        if algorithm in (await self._ready()).loaded:
            return
        try:
            await self.price(algorithm, _NOTHING, self._warm_up)
        except TookTooLong as error:
            reason = f"the pricer was not ready within {self._warm_up:g} s (--warm-up)"
            raise ProcessDied(reason, error.traceback) from error

    async def price(self, algorithm: str, chunk: Chunk, limit: float | None = None) -> Priced:
        """Price a chunk in the process, in ``limit`` seconds; kills it if cancelled.

        Raises ProcessDied if it ends before it has answered, TookTooLong and NotStarted.
        """
        running = await self._ready()
        longer = 0.0 if self._tasks or algorithm in running.warm else self._warm_up
        try:
            with anyio.fail_after(None if limit is None else limit + longer):
                return await running.price(algorithm, chunk)
        except TimeoutError:
            traceback = await running.trace.ask(running.process)
            if self._tasks and self._may_go_on(running, algorithm):
                self._aside, self._running = running, None
                self._tasks.start_soon(self._go_on, running, algorithm)
            await self.stop()
            raise TookTooLong(f"took longer than {limit:g} s", traceback) from None
        except _ENDED as error:
            ending, traceback = await running.ending(), running.trace.read()
            await self.stop()
            raise ProcessDied(f"the pricer's process {ending}", traceback) from error
        except _UNREADABLE as error:
            await self.stop()
            raise ProcessDied("the pricer has written where only the grid may") from error
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.stop()
            raise

    async def stop(self) -> None:
        """End the process, whatever it is doing."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()

    async def close(self) -> None:
        """End it, and the one that gets ready."""
        self._tasks = None
        await self.stop()
        for each in {self._aside, self._ready_now} - {None}:
            assert each is not None
            await each.stop()

    def _may_go_on(self, running: _Running, algorithm: str) -> bool:
        """Whether it may be late because it gets ready; one at a time, since it takes a core."""
        alone = self._aside is None and self._ready_now is None
        return alone and algorithm in running.loaded - running.warm

    async def _go_on(self, running: _Running, algorithm: str) -> None:
        """Let a process get ready that was too late with its first answer.

        Ended each time, it would be too late for ever where code takes long to be compiled.
        """
        answered = False
        try:
            with anyio.move_on_after(self._warm_up):
                await running.answer()
                answered = True
        except (*_ENDED, *_UNREADABLE):
            pass  # It has ended, or written where only the grid may.
        finally:
            if answered and self._tasks:
                running.warm.add(algorithm)
                self._ready_now = running
                log.info("a pricer is ready that was late", algorithm=algorithm)
            else:
                log.warning("a pricer was too late to be waited for", algorithm=algorithm)
                with anyio.CancelScope(shield=True):
                    await running.stop()
            self._aside = None

    async def _ready(self) -> _Running:
        """A process that can take a chunk."""
        if self._ready_now is not None:
            await self.stop()
            self._running, self._ready_now = self._ready_now, None
        if self._running is not None and not self._usable(self._running.process):
            await self.stop()
        if self._running is None:
            try:
                self._running = await self._start()
            except OSError as error:
                self.not_started += 1
                raise NotStarted(f"cannot start a process: {error}") from error
            self.not_started = 0
        return self._running

    def _usable(self, process: Process) -> bool:
        # One that has died idle, for want of memory say, is not the next chunk's doing; nor is what
        # others have left behind in it.
        try:
            if process.returncode is not None:
                return False
            return self._memory is None or slot_memory.left(process.pid) >= self._memory / 2
        except OSError:
            return False

    async def _start(self) -> _Running:
        trace = Trace()
        try:
            # Its own session: Ctrl-C in the terminal is for the consumer, which lets it finish.
            process = await anyio.open_process(
                [*PROGRAM, str(trace.fileno()), str(self._memory or 0)],
                stderr=None,
                start_new_session=True,
                env=_environment(),
                pass_fds=(trace.fileno(),),
            )
        except OSError:
            trace.close()
            raise
        if self._behind:
            step_back(process.pid)
        assert process.stdout is not None
        return _Running(process, BufferedByteReceiveStream(process.stdout), trace)


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
