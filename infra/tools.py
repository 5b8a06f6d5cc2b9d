"""Running the tools that do the work on Azure: ``az``, ``terraform``, ``docker``, ``git``."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar

import orjson

from engine.errors import ServerError, UsageError

WHERE_FROM = {
    "az": "https://aka.ms/azure-cli",
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "docker": "https://docs.docker.com/engine/install",
    "git": "https://git-scm.com",
}


LOGIN = ("az login", "AADSTS")
"""What ``az`` and Terraform say when nobody is logged in, or a login has lapsed."""

T = TypeVar("T")


class ToolFailed(ServerError):
    """A tool ended with another exit code than 0; ``said`` is the end of what it wrote of it."""

    def __init__(self, name: str, code: int, said: str) -> None:
        told = said or "it said nothing"
        if name == "az" and any(word in said for word in LOGIN):
            told = f"nobody is logged in to Azure, or not any more: `az login`, then again ({said})"
        super().__init__(f"{name} failed ({ended(code)}): {told}")
        self.said = said


def need(*names: str) -> None:
    """Raise UsageError, naming all that lack, if some of these are not on PATH."""
    lacking = [name for name in names if shutil.which(name) is None]
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        raise UsageError(
            f"{' and '.join(lacking)} {verb} not on PATH, and {verb} needed here: "
            f"{' and '.join(WHERE_FROM[name] for name in lacking)}"
        )


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
        need(name)
        return cls(name, shutil.which(name) or name, folder, environment)

    def ask(self, *arguments: str) -> str:
        """Run it for what it prints. Raises ToolFailed."""
        with self._runnable():
            done = subprocess.run(
                [self.path, *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        if done.returncode:
            raise ToolFailed(self.name, done.returncode, last_words(done.stderr or done.stdout))
        return done.stdout

    def ask_json(self, read: Callable[[Any], T], *arguments: str) -> T:
        """Run it for what it prints as JSON, and what ``read`` makes of that.

        Raises ToolFailed, and ServerError if it is no JSON, or not what ``read`` looks for.
        """
        told = self.ask(*arguments)
        try:
            return read(orjson.loads(told))
        except (ValueError, LookupError, TypeError, AttributeError):
            said = f"({last_words(told)[:200]})" if told.strip() else "(nothing)"
            raise ServerError(
                f"`{self.name} {' '.join(arguments[:4])}` has printed {said}, which cannot be made "
                f"out: is {self.path} the real one, and a present version? {WHERE_FROM[self.name]}"
            ) from None

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
        with _passing_on(self.name) as interrupts:
            with self._runnable():
                # A group of its own: else a terminal's Ctrl-C would reach it beside what we pass
                # on, and Terraform takes a second one for an order to drop everything.
                process = subprocess.Popen(
                    [self.path, *arguments],
                    cwd=self.folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    encoding="utf-8",
                    errors="replace",
                    process_group=0,
                )
            interrupts.go_to(process)
            with process:
                try:
                    yield process
                finally:
                    # One that cannot be rid of what it has to say does not end.
                    for _ in process.stdout or ():
                        pass
                    process.wait()
        if interrupts.came:
            raise KeyboardInterrupt

    @contextmanager
    def _runnable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"cannot run {self.path}: {error.strerror}; get it anew: {WHERE_FROM[self.name]}"
            ) from None

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **(self.environment or {})}


_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends us otherwise; the last when somebody closes the terminal."""


class _Interrupts:
    """What was told to end us, and the process that is to hear of it."""

    def __init__(self, name: str) -> None:
        self.came = False
        self._name = name
        self._process: subprocess.Popen[str] | None = None

    def go_to(self, process: "subprocess.Popen[str]") -> None:
        """From now on; what came while it was being started, too."""
        self._process = process
        if self.came:
            self._tell(process)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        first, self.came = not self.came, True
        if self._process is not None and self._process.poll() is None:
            self._tell(self._process)
        if first:
            told = f"stopping: {self._name} finishes what it has begun; Ctrl-C again to press it\n"
            with suppress(OSError):  # A terminal that was closed takes nothing.
                # Not by sys.stderr: the signal may have come while it was being written to.
                os.write(2, told.encode())

    @staticmethod
    def _tell(process: "subprocess.Popen[str]") -> None:
        # Terraform knows SIGINT as "finish what you are at, then stop".
        process.send_signal(signal.SIGINT)


@contextmanager
def _passing_on(name: str) -> Iterator[_Interrupts]:
    """Hand what would end us to a process, which ends in its own time.

    Whatever is half done there is not ours to leave behind. What is ignored stays so: somebody has
    said ``nohup``.
    """
    interrupts = _Interrupts(name)
    ends = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts.note) for number in ends}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ended(code: int) -> str:
    """How a tool ended, by its exit code as ``subprocess`` has it."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}, not by us"


def last_words(text: str, lines: int = 6) -> str:
    """The end of what a tool wrote, as one paragraph."""
    told = [line.strip(" │╷╵") for line in text.splitlines()]
    return " ".join([line for line in told if line][-lines:])
