"""What the machine gives this process."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use: by affinity, and by its control groups' share.

    A container that may take 3.5 of 64 cores has 3: a fourth slot would only be throttled. ``root``
    is where the system's files lie.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min([cores or 1, *(int(share) for share in _shares(root))]))


def _shares(root: Path) -> Iterator[float]:
    """The cores that each control group above this process may use, where one is bounded.

    Documented in Linux' ``admin-guide/cgroup-v2`` (``cpu.max``) and ``scheduler/sched-bwc``.
    """
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _up(root / "sys/fs/cgroup", path, _version_2)
            elif "cpu" in controllers.split(","):
                yield from _up(root / "sys/fs/cgroup/cpu", path, _version_1)


def _up(mount: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    # In a container the path may be the host's, and the mount what lies below it.
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        with suppress(OSError, ValueError, ZeroDivisionError):
            if (share := read(mount.joinpath(*parts[:length]))) is not None:
                yield share


def _version_2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _version_1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return None if quota < 0 else quota / int((folder / "cpu.cfs_period_us").read_text())


def resident() -> int | None:
    """Bytes of memory that this process has resident; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, IndexError):
        return None  # Only Linux has it.


def lasting_folder(environment: Mapping[str, str], name: str) -> Path | None:
    """A folder of ours that outlives this process, and on Batch its container; None if none can."""
    shared = environment.get("AZ_BATCH_NODE_SHARED_DIR")
    try:
        cache = shared or environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(cache) / "azfinsim" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None  # Nothing can be written; or there is no home.
    return folder if os.access(folder, os.W_OK) else None
