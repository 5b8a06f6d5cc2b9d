"""Runs commands as they are where no extra of azfinsim is installed.

What may live here: the program of ``test_without_extras.py``, in a process of its own, since what
a test has imported stays imported. Standard input has the commands, one JSON list a line; a line
of standard output tells of each: its exit code, and what it has printed.
"""

import os
import sys
import tempfile
from typing import Any

import orjson

BLOCKED = ("aiohttp", "azure", "matplotlib", "opentelemetry.exporter", "opentelemetry.sdk",
           "plotly", "psutil", "pyarrow", "QuantLib")  # fmt: skip


class Without:
    """A finder that finds nothing of the extras, and what another finds else."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, *more: Any) -> Any:
        if any(f"{name}.".startswith(f"{each}.") for each in BLOCKED):
            return None
        return self._finder.find_spec(name, *more)


def main() -> None:
    """Each command in a fork, so that none leaves anything to the next."""
    sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
    from azfinsim.cli import azfinsim
    from engine import grid  # noqa: F401 - what most of them need is imported once
    from engine.edge import run_command

    for line in sys.stdin.buffer:
        words = orjson.loads(line)
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if not child:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                sys.argv = ["azfinsim", *words]
                run_command(azfinsim, "azfinsim")
            _, status = os.waitpid(child, 0)
            said.seek(0)
            told = said.read().decode(errors="replace")
        code = os.waitstatus_to_exitcode(status)
        sys.stdout.buffer.write(orjson.dumps([words, code, told]) + b"\n")


if __name__ == "__main__":
    main()
