"""Running the tools that do the work on Azure: ``az``, ``terraform``, ``docker``, ``git``."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from engine.errors import ServerError, UsageError

WHERE_FROM = {
    "az": "https://aka.ms/azure-cli",
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "docker": "https://docs.docker.com/engine/install",
    "git": "https://git-scm.com",
}


class ToolFailed(ServerError):
    """A tool ended with another exit code than 0; ``said`` is the end of what it wrote of it."""

    def __init__(self, name: str, code: int, said: str) -> None:
        super().__init__(f"{name} failed (exit code {code}): {said or 'it said nothing'}")
        self.said = said


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and how it is to be called."""

    name: str
    path: str
    folder: Path | None = None
    """The working folder; ours if None."""
    environment: Mapping[str, str] | None = None
    """Variables besides our own."""

    @classmethod
    def find(
        cls, name: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> "Tool":
        """Look for it on PATH. Raises UsageError, saying where to get it."""
        path = shutil.which(name)
        if path is None:
            raise UsageError(f"{name} is not on PATH, and is needed here: {WHERE_FROM[name]}")
        return cls(name, path, folder, environment)

    def ask(self, *arguments: str) -> str:
        """Run it for what it prints. Raises ToolFailed."""
        done = subprocess.run(
            [self.path, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ToolFailed(self.name, done.returncode, last_words(done.stderr or done.stdout))
        return done.stdout

    def show(self, *arguments: str) -> int:
        """Run it with all it prints on our standard error; returns its exit code.

        Raises KeyboardInterrupt if it was interrupted, once it has ended.
        """
        with self._started(arguments, stdout=sys.stderr.fileno()) as process:
            return process.wait()

    @contextmanager
    def lines(self, *arguments: str) -> Iterator[tuple[IO[str], "subprocess.Popen[str]"]]:
        """Run it, and yield what it prints as it comes; it has ended when the body has.

        Raises KeyboardInterrupt if it was interrupted, once it has ended.
        """
        with self._started(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            yield process.stdout, process

    @contextmanager
    def _started(self, arguments: Sequence[str], stdout: int) -> Iterator["subprocess.Popen[str]"]:
        # A group of its own: else a terminal's Ctrl-C would reach it beside what we pass on, and
        # Terraform takes a second one for an order to drop everything.
        process = subprocess.Popen(
            [self.path, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            text=True,
            process_group=0,
        )
        with _passing_on(self.name, process) as interrupts, process:
            try:
                yield process
            finally:
                process.wait()
        if interrupts:
            raise KeyboardInterrupt

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **(self.environment or {})}


_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends us otherwise; the last when somebody closes the terminal."""


@contextmanager
def _passing_on(name: str, process: "subprocess.Popen[str]") -> Iterator[list[int]]:
    """Hand what ends us to the process, which ends in its own time; yields the signals that came.

    Whatever is half done there is not ours to leave behind.
    """
    came: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if process.poll() is None:
            # Terraform knows SIGINT as "finish what you are at, then stop".
            process.send_signal(signal.SIGINT)
            if len(came) == 1:
                with suppress(OSError):  # A terminal that was closed takes nothing.
                    sys.stderr.write(
                        f"stopping: {name} finishes what it has begun; Ctrl-C again to press it\n"
                    )

    before = {number: signal.signal(number, pass_on) for number in _ENDS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_words(text: str, lines: int = 6) -> str:
    """The end of what a tool wrote, as one paragraph."""
    told = [line.strip(" │╷╵") for line in text.splitlines()]
    return " ".join([line for line in told if line][-lines:])
