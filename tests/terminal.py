"""A command in a terminal of its own, as its user has it.

What may live here: how a test starts one, types, turns its window another size, and reads it.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.waiting import eventually

# Runs its arguments as a shell does with a command in the foreground of a terminal.
_IN_TERMINAL = f"""
import fcntl, os, sys, termios
fcntl.ioctl(0, {termios.TIOCSCTTY}, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HOME = "\x1b[H"

ON_ITS_OWN_SCREEN, ON_THE_SHELLS = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A command, and all that it has written."""

    def __init__(self, command: Sequence[str], env: dict[str, str], size: tuple[int, int]) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(*size)
        self.modes = self.modes_now
        self._written = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *command],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env=env,
            start_new_session=True,
        )

    @property
    def modes_now(self) -> list[Any]:
        """Of the terminal: what ``stty`` shows."""
        return termios.tcgetattr(self._theirs)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def written(self) -> str:
        while select.select([self._ours], [], [], 0)[0]:
            self._written += os.read(self._ours, 65536)
        return self._written.decode(errors="replace")

    @property
    def screen(self) -> list[str]:
        """The lines of the latest picture; none before the first."""
        _, home, picture = self.written.rpartition(_HOME)
        return _ESCAPE.sub("", picture).splitlines() if home else []

    def shows(self, text: str, within: float = 20.0) -> list[str]:
        """Wait until a text stands on the screen; the screen then."""
        return eventually(
            lambda: lines if text in "\n".join(lines := self.screen) else [],
            within,
            f"{text!r} on the screen: {self.written[-2000:]!r}",
        )

    def ended(self) -> int:
        """Wait for the end of the command; its exit code."""
        # What nobody reads would keep it from ending.
        eventually(lambda: (self.written, self.process.poll())[1] is not None, 20, "its end")
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def in_terminal(
    *command: str, env: dict[str, str], size: tuple[int, int] = (80, 24)
) -> Iterator[Terminal]:
    """Run a command in a terminal of so many columns and lines; it is killed at the end."""
    terminal = Terminal(command, env, size)
    try:
        yield terminal
    finally:
        terminal.close()
