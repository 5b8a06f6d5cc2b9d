"""Logs, where their reader leaves."""

import os
import subprocess
import sys

PROGRAM = """
import structlog, sys
from engine import logs
logs.configure(sys.argv[1], "info")
log = structlog.get_logger()
for _ in range(3):
    log.info("said to nobody")
print("went on", flush=True)
"""


def test_a_reader_that_leaves_stops_nothing() -> None:
    """G1: a consumer whose log nobody reads any more goes on, and drains as it should."""
    for log_format in ("json", "console"):
        reading, writing = os.pipe()
        os.close(reading)
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, log_format], stdout=subprocess.PIPE, stderr=writing
        )
        os.close(writing)
        assert run.stdout == b"went on\n"
