"""Harvest: follows a machine whose cores come and go, as a harvest VM's do.

Such a machine takes what cores its host has to spare, and gives them back when others want them. It
shows all it might ever have; how many it has now, Hyper-V writes into a file of the guest. What a
container may use of them may change too.
"""

from pathlib import Path

import anyio
import structlog

from consumer.desk import Desk
from engine.machine import usable_cores

POOL = Path("/var/lib/hyperv/.kvp_pool_0")
"""Where Hyper-V's daemon keeps what the host tells its guest."""

EVERY = 5.0
"""Seconds between looks."""

_KEY, _VALUE = 512, 2048
"""Bytes of a record's two fields, padded with zeros: ``struct kvp_record`` of Linux'
``tools/hv/hv_kvp_daemon.c``."""

_NAME = b"CurrentCoreCount"

_MOST = 4096

log = structlog.get_logger()


def cores_in(pool: bytes) -> int | None:
    """The number of cores that a machine has now; None if that is not told."""
    for start in range(0, len(pool), _KEY + _VALUE):
        record = pool[start : start + _KEY + _VALUE]
        if record[:_KEY].partition(b"\0")[0] == _NAME:
            # A fraction may follow, of no use to us.
            told = record[_KEY:].partition(b"\0")[0].partition(b".")[0]
            return int(told) if told.isdigit() and 1 <= int(told[:9]) <= _MOST else None
    return None


async def run(desk: Desk, pool: Path) -> None:
    """Have as many slots as there are cores, but not more than at the start, until cancelled."""
    while True:
        cores = min(usable_cores(), await _look(pool) or _MOST)
        wanted = min(cores, desk.settings.slots)
        if wanted != desk.staff.wanted:
            log.info("cores have changed", cores=cores, slots=wanted)
            desk.resize(wanted)
        await anyio.sleep(EVERY)


async def _look(pool: Path) -> int | None:
    try:
        return cores_in(await anyio.Path(pool).read_bytes())
    except OSError:
        return None  # No such machine; or the file is just being written.
