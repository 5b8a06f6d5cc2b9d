"""The command-line edge: what every command does alike."""

import signal
import subprocess
import sys

DEAF = """
import anyio
from engine.edge import run_async

async def deaf():
    print("ready", flush=True)
    with anyio.CancelScope():
        try:
            await anyio.sleep_forever()
        except BaseException:  # As redis-py's asyncio.wait_for does at a bad moment.
            pass
    await anyio.sleep_forever()

run_async(deaf)
"""


def test_ctrl_c_is_not_lost_where_a_library_swallows_a_cancellation() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=10)
        finally:
            process.kill()
    assert b"KeyboardInterrupt" in said


BREAKING = """
import asyncio
from engine.edge import run_async

async def breaking():
    loop = asyncio.get_running_loop()
    for message in ("Fatal error on SSL protocol", "Task was destroyed but it is pending!"):
        loop.call_exception_handler({"message": message, "exception": RuntimeError(message)})

run_async(breaking)
"""


def test_a_connection_that_breaks_prints_no_traceback() -> None:
    """uvloop's own: one with TLS that is closed in its handshake. What else goes wrong is told."""
    done = subprocess.run(
        [sys.executable, "-c", BREAKING], capture_output=True, text=True, check=True
    )
    assert "Fatal error on" not in done.stderr
    assert "Task was destroyed" in done.stderr
