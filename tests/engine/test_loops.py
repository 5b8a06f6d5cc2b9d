"""Awaiting many things at once, from threads that are not async."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
import sys
import threading
from engine.loops import run_all

class Client:
    "Closes in its loop, as clients do that hold connections."
    async def ask(self):
        self.task = asyncio.get_running_loop().create_task(self.live())
        await asyncio.sleep(0)
        return 1

    async def live(self):
        try:
            await asyncio.Event().wait()
        finally:
            print("closed")

def work():
    assert run_all([Client().ask] * 2, concurrency=2, timeout=5) == [1, 1]

if sys.argv[1] == "main":
    work()
else:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("where", ["main", "thread"])
def test_what_lives_in_the_loop_is_closed_when_the_program_ends(where: str) -> None:
    """And nothing is left for Python to complain of."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM, where],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["closed", "closed"]
    assert done.stderr == ""
