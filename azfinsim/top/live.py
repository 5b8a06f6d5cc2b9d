"""The live view: looks, draws, and reads keys, until its user leaves."""

import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from redis.exceptions import RedisClusterException, RedisError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from azfinsim.top.look import Lookout
from azfinsim.top.sample import Pace, Sample, pace
from azfinsim.top.views import picture
from engine.connection import passes

PACE_OVER = 5.0
"""Seconds that a rate is taken over, at least: trades are settled by the chunk."""

PATIENCE = 2.0
"""Seconds that a look may take before one says that the server does not answer."""

REDRAW = 1.0
"""Seconds after which the picture is drawn anew even if nothing has come."""


@dataclass(slots=True)
class Board:
    """What is known, for whoever draws it."""

    samples: list[Sample] = field(default_factory=list)
    """The latest last, and as many before it as rates are taken over."""
    seen_at: float = field(default_factory=time.monotonic)
    trouble: str = ""
    leaving_for_good: bool = True
    news: anyio.Event = field(default_factory=anyio.Event)

    def add(self, sample: Sample) -> None:
        """Note what was seen."""
        self.samples.append(sample)
        while len(self.samples) > 2 and sample.at - self.samples[1].at >= PACE_OVER:
            del self.samples[0]
        self.seen_at, self.trouble = time.monotonic(), ""
        self.news.set()

    @property
    def pace(self) -> Pace:
        return pace(self.samples[0], self.samples[-1]) if self.samples else Pace()

    def word(self, interval: float) -> Text:
        """How to leave, or that what is shown is old."""
        silent = time.monotonic() - self.seen_at
        if not self.trouble and silent < interval + PATIENCE:
            return Text("q quits", "dim")
        # The first line of an error is enough: the rest would be cut off.
        why = f": {self.trouble.splitlines()[0]}" if self.trouble else ""
        return Text(f"no answer for {silent:.0f} s, this is how it was{why}", "red")


async def watch(lookout: Lookout, console: Console, address: str, interval: float) -> None:
    """Show a grid until the user leaves, by q or a signal.

    Raises what redis-py raises if the server refuses, which no waiting mends.
    """
    board = Board()
    board.add(await lookout.look())
    # Ctrl-Z gives the terminal back to the shell, whose fg goes on here.
    while await _suspended(lookout, board, console, address, interval):
        os.kill(os.getpid(), signal.SIGSTOP)


async def _suspended(
    lookout: Lookout, board: Board, console: Console, address: str, interval: float
) -> bool:
    """Show a grid; whether the user will be back."""
    board.leaving_for_good = True
    with _keys_as_typed(), Live(console=console, screen=True, auto_refresh=False) as live:
        async with anyio.create_task_group() as group:
            group.start_soon(_look, lookout, board, interval)
            group.start_soon(_draw, board, live, address, interval)
            group.start_soon(_heed_signals, board, group.cancel_scope)
            if sys.stdin.isatty():
                group.start_soon(_read_keys, group.cancel_scope)
    return not board.leaving_for_good


async def _look(lookout: Lookout, board: Board, interval: float) -> None:
    while True:
        await anyio.sleep(interval)
        try:
            board.add(await lookout.look())
        except (RedisError, RedisClusterException) as error:
            if not passes(error):
                raise
            board.trouble = str(error) or type(error).__name__
            board.news.set()


async def _draw(board: Board, live: Live, address: str, interval: float) -> None:
    while True:
        word = board.word(interval)
        seen = picture(board.samples[-1], board.pace, address, live.console.height, word)
        live.update(seen, refresh=True)
        with anyio.move_on_after(REDRAW):
            await board.news.wait()
        board.news = anyio.Event()


async def _heed_signals(board: Board, scope: anyio.CancelScope) -> None:
    # Ctrl-C is the way out here, and no interruption.
    heeded = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGWINCH)
    with anyio.open_signal_receiver(*heeded) as signals:
        async for number in signals:
            if number != signal.SIGWINCH:
                board.leaving_for_good = number != signal.SIGTSTP
                scope.cancel()
            board.news.set()


async def _read_keys(scope: anyio.CancelScope) -> None:
    while True:
        await anyio.wait_readable(sys.stdin)
        # Nothing at all: the terminal has hung up.
        typed = os.read(sys.stdin.fileno(), 100)
        if not typed or b"q" in typed.lower():
            scope.cancel()


@contextmanager
def _keys_as_typed() -> Iterator[None]:
    """Get keys without waiting for the end of a line, and do not show them."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
