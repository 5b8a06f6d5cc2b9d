"""A fault of those who decide how many consumers there are."""

import os
import signal
from contextlib import suppress

from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.readout import crew_of_run


class Controller(Striking):
    """SIGKILL of the controller that leads, and of a consumer that it keeps.

    Whoever leads next has to miss that one, and to start one in its place, once.
    """

    async def strike(self) -> str:
        controls = self.ground.controls
        leader = await controls.leader() if controls is not None else None
        if leader is None:
            return ""
        leader.held.kill()
        crew = sorted(pid for pids in crew_of_run(self.ground.seats.mark).values() for pid in pids)
        if crew:
            with suppress(ProcessLookupError):
                os.kill(crew[self.target % len(crew)], signal.SIGKILL)
        return f"killed controller {leader.pid}, which led, and one of its {len(crew)} consumers"
