"""The processes of a simulated fleet, and what they say of themselves."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import orjson

from loadtest.fleet.shape import Shape
from loadtest.latency import Latency
from loadtest.processes import ProcessFailed, Watched, watched

START_SECONDS = 120.0
"""In which all consumers must serve."""


@dataclass(frozen=True, slots=True)
class Fared:
    """How the processes fared in a window of time."""

    cpu: Sequence[float]
    """Cores, of each process."""
    lag: Latency
    settle: Latency


@dataclass(frozen=True, slots=True)
class Fleet:
    """The processes while they run."""

    processes: Sequence[Watched]

    async def serving(self) -> None:
        """Wait until all consumers take work.

        Raises ProcessFailed if a process ends, or they take longer than ``START_SECONDS``.
        """
        with anyio.move_on_after(START_SECONDS):
            for process in self.processes:
                while not any('"all serve"' in line for line in process.lines()):
                    process.check()
                    await anyio.sleep(0.1)
            return
        raise ProcessFailed(f"not all consumers serve after {START_SECONDS:g} s")

    def check(self) -> None:
        """Raise ProcessFailed, with its last words, if one has ended."""
        for process in self.processes:
            process.check()

    def fared(self, since: float, until: float) -> Fared:
        """How they fared between two moments of Unix time, by the reports that lie within."""
        told = [
            [r for r in _reports(process) if since <= r["until"] <= until]
            for process in self.processes
        ]
        reports = [[r for r in each if r["since"] >= since] for each in told]
        return Fared(
            # Seconds used are told as sums, so the report in which the window begins will do.
            [_cores(each) for each in told if len(each) > 1],
            _merged(reports, "lag"),
            _merged(reports, "settles"),
        )


@contextmanager
def fleet(url: str, folder: Path, shape: Shape, *options: str) -> Iterator[Fleet]:
    """Run the consumers of a fleet, as many processes as its shape says, while the body runs.

    They serve ``synthetic`` jobs and end with an error if they are given any other, so the server
    should be one's own. ``options`` are further ones of ``azfinsim consume``.
    """
    with ExitStack() as stack:
        processes = []
        home = 0
        for number, share in enumerate(shape.shares(), start=1):
            told = ["--simulate", str(share), "--slots", str(shape.slots)]
            told += ["--home", str(home), "--lane", shape.lanes, "--lease", str(shape.lease)]
            told += ["--drain", "0", "--log-format", "json", *options]
            what, log = f"fleet process {number}", folder / f"fleet-{number}.log"
            processes.append(stack.enter_context(watched(what, "consumer", told, url, log)))
            home += share
        yield Fleet(processes)


def _reports(process: Watched) -> list[dict[str, Any]]:
    lines = [line for line in process.lines() if '"simulated"' in line]
    # The last may be being written.
    return [orjson.loads(line) for line in lines if line.endswith("}")]


def _cores(reports: Sequence[dict[str, Any]]) -> float:
    first, last = reports[0], reports[-1]
    return float((last["cpu"] - first["cpu"]) / (last["until"] - first["until"]))


def _merged(reports: Sequence[Sequence[dict[str, Any]]], name: str) -> Latency:
    return Latency.merged(
        Latency.decode(report[name].encode()) for each in reports for report in each
    )
