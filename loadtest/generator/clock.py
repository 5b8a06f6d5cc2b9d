"""The server's clock, by which all who take part in a load test agree when it begins."""

import time

from engine.grid import Grid

PROBES = 7
"""Questions for the server's time, of which the quickest answer counts."""


async def server_ahead(grid: Grid) -> float:
    """Seconds from our ``time.perf_counter`` to the server's clock."""
    probes: list[tuple[float, float]] = []
    for _ in range(PROBES):
        began = time.perf_counter()
        told = await grid.jobs.now()
        ended = time.perf_counter()
        # It was told at some moment between the two.
        probes.append((ended - began, told - (began + ended) / 2))
    return min(probes)[1]
