"""Foreign processes of a measurement: started on a leash, watched, and gone at its end."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import anyio

from engine import leash
from engine.connection import Address
from engine.errors import AzfinsimError

GRACE = 10.0
"""Seconds that a process may take to leave before it is killed."""

START_SECONDS = 60.0
"""In which a consumer must be ready: it may have to compile its kernels first."""

POLL_SECONDS = 0.01


class ProcessFailed(AzfinsimError):
    """A process that is being measured ended, or is not getting ready."""


class Watched:
    """A process on a leash, and what it has written."""

    def __init__(self, what: str, leashed: leash.Leash, log_path: Path) -> None:
        self.what = what
        self.pid = leashed.process.pid
        self._leash = leashed
        self._log_path = log_path

    def check(self) -> None:
        """Raise ProcessFailed, with its last words, if the process has ended."""
        code = self._leash.process.poll()
        if code is not None:
            raise ProcessFailed(f"{self.what} ended with code {code}: {self.last_words()}")

    def lines(self) -> list[str]:
        """What it has written so far."""
        return self._log_path.read_text("utf-8", "replace").splitlines()

    def last_words(self) -> str:
        """The end of what it has written."""
        return "\n".join(self.lines()[-10:])


def launch(
    module: str,
    options: Sequence[str],
    address: Address,
    log_path: Path,
    *,
    grace: float = GRACE,
    append: bool = False,
    environment: Mapping[str, str] = {},
) -> leash.Leash:
    """Start ``python -m MODULE``, which ends with us, whatever ends us.

    The server's address, which may hold a password, goes by the environment: arguments can be read
    by every user of the machine. ``environment`` is put beside ours.
    """
    with log_path.open("ab" if append else "wb") as log:
        return leash.start(
            # -P: the folder that somebody happens to be in is no place to take modules from.
            [sys.executable, "-P", "-m", module, *options],
            grace=grace,
            output=log,
            environment={**os.environ, **address.environment(), **environment},
        )


@contextmanager
def watched(
    what: str, module: str, options: Sequence[str], url: str, log_path: Path
) -> Iterator[Watched]:
    """Run ``python -m MODULE`` on the server at a URL while the body runs."""
    leashed = launch(module, options, Address.parse(url), log_path)
    try:
        yield Watched(what, leashed, log_path)
    finally:
        leashed.stop(GRACE)


@contextmanager
def consumer(url: str, log_path: Path, *options: str) -> Iterator[Watched]:
    """One consumer as users start it."""
    told = ["--log-format", "json", *options]
    with watched("the consumer", "consumer", told, url, log_path) as process:
        yield process


async def serving_since(process: Watched) -> float:
    """Wait until a consumer takes work; returns since when, Unix time in seconds.

    Raises ProcessFailed if it ends, or takes longer than ``START_SECONDS``.
    """
    with anyio.move_on_after(START_SECONDS):
        while True:
            for line in process.lines():
                if '"serving"' in line:
                    return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
            process.check()
            await anyio.sleep(POLL_SECONDS)
    raise ProcessFailed(f"{process.what} is not ready: {process.last_words()}")
