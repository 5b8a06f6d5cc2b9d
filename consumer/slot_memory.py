"""How much memory pricing may take in a slot's process.

Linux alone bounds and tells that for a process: what it has of its own, on its heap, on stacks and
mapped, which RLIMIT_DATA counts. Not RLIMIT_AS, which counts addresses too that are set aside and
never used: gigabytes of them in threaded and compiled code.
"""

import os
import sys
from pathlib import Path

from engine.errors import UsageError

MEGABYTE = 1024 * 1024

LEAST = 128
"""Megabytes: to compile our own pricers takes half of that."""


def check() -> None:
    """Raise UsageError where memory cannot be bounded."""
    if sys.platform != "linux":
        raise UsageError(
            f"--slot-memory: only Linux bounds the memory of a process, this is {sys.platform}: "
            "leave it out here, or run consumers in a container with a memory limit"
        )


def bound(megabytes: int) -> None:
    """Let this process have so many megabytes more than it has now.

    What it asks for beyond that it does not get: in Python that is a MemoryError.
    """
    if sys.platform == "linux":
        import resource

        most = _held(os.getpid()) + megabytes * MEGABYTE
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def left(process: int) -> float:
    """Megabytes that a process may still have; infinite if it has no bound yet.

    Raises OSError if it is gone.
    """
    if sys.platform != "linux":
        return float("inf")
    import resource

    most, _ = resource.prlimit(process, resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY:
        return float("inf")
    return (most - _held(process)) / MEGABYTE


def _held(process: int) -> int:
    """Bytes that count for RLIMIT_DATA."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [data] = [line.split()[1] for line in lines if line.startswith("VmData:")] or ["0"]
    return int(data) * 1024
