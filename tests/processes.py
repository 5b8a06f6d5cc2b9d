"""Consumers as processes, and the grid they work on, for tests that are not async themselves.

What may live here: how a test starts, watches and ends ``python -m consumer``, and how it gives
work to it and sees what came of it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import orjson
import psutil
import redis

from engine import keys
from engine.blocks import Trades
from engine.cancel import cancel
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Job, Lane, Progress
from engine.roster import Presence
from producer.generate import generate
from producer.results import Record, results
from producer.resume import resume
from producer.submit import submit
from producer.wait import wait
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent
"""Where consumers run, so that they find ``tests.pricers``."""

STARTING = 20.0
"""Seconds that a consumer may take to serve, on a machine that is busy with other tests."""

ENDING = 10.0

T = TypeVar("T")


class Consumer:
    """One consumer process; its log is kept."""

    def __init__(self, url: str, log: Path, options: Sequence[str], cwd: Path) -> None:
        self.log_path = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumer", *options],
                cwd=cwd,
                env={**os.environ, "AZFINSIM_REDIS_URL": url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                # A terminal's Ctrl-C for the tests is not for it.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it has logged, of this name if one is given."""
        lines = [line for line in self.log.splitlines() if line.startswith("{")]
        events = [event for line in lines if isinstance(event := _loads(line), dict)]
        return [event for event in events if name is None or event["event"] == name]

    def serving(self) -> str:
        """Wait until it serves, or has served; its name."""

        def name() -> str:
            if started := self.events("serving"):
                return str(started[0]["consumer"])
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log}")
            return ""

        return eventually(name, STARTING, "a consumer that serves")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM, within: float = ENDING) -> int:
        """Send a signal and return the exit code."""
        self.send(number)
        return self.ended(within)

    def ended(self, within: float = ENDING) -> int:
        """Wait for its end; the exit code. It has printed nothing and shown no traceback."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended within {within:g} s:\n{self.log}") from None
        assert self.process.stdout is not None
        assert self.process.stdout.read() == b""
        assert "Traceback" not in self.log, self.log
        return code

    def children(self) -> list[psutil.Process]:
        """Its slot processes."""
        return psutil.Process(self.pid).children()

    def close(self) -> None:
        """End it and its children, whatever their state."""
        if self.process.poll() is None:
            children = self.children()
            self.process.kill()
            self.process.wait()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _loads(line: str) -> object:
    try:
        return orjson.loads(line)
    except ValueError:
        return None  # It is being written.


@dataclass(slots=True)
class Field:
    """A grid on one server, with the consumers that a test has started on it."""

    url: str
    folder: Path
    partitions: int = 1
    consumers: list[Consumer] = field(default_factory=list)

    def start(self, *options: str, cwd: Path = ROOT) -> Consumer:
        """Start a consumer; do not wait for it."""
        log = self.folder / f"consumer-{len(self.consumers)}.log"
        consumer = Consumer(self.url, log, options, cwd)
        self.consumers.append(consumer)
        return consumer

    def serve(self, *options: str, count: int = 1) -> list[Consumer]:
        """Start consumers and wait until they serve."""
        started = [self.start(*options) for _ in range(count)]
        for consumer in started:
            consumer.serving()
        return started

    def close(self) -> None:
        for consumer in self.consumers:
            consumer.close()

    def run(self, work: Callable[[Grid], Awaitable[T]]) -> T:
        """Do something with the grid."""

        async def main() -> T:
            async with open_grid(Address.parse(self.url), partitions=self.partitions) as grid:
                return await work(grid)

        return anyio.run(main)

    def fill(self, count: int, seed: int = 1) -> None:
        """Fill the default book with generated trades 0..count-1."""
        self.put(generate(seed, 0, count))

    def put(self, trades: Trades) -> None:
        """Put trades into the default book."""
        self.run(lambda grid: grid.cache.upsert("default", trades))

    def submit(self, job: Job) -> Job:
        """Submit a job; returns it as it is stored."""
        return self.run(lambda grid: submit(grid, job)).job

    def cancel(self, job: Job) -> Progress:
        return self.run(lambda grid: cancel(grid, job))

    def resume(self, job: Job) -> None:
        self.run(lambda grid: resume(grid, job))

    def progress(self, job: Job) -> Progress:
        return self.run(lambda grid: grid.jobs.progress(job))

    def done(self, job: Job, within: float = 30.0) -> Progress:
        """Wait until a job has ended, its counts adding up."""
        progress = self.run(lambda grid: wait(grid, job, at_most=within))
        assert progress.ended, f"{progress.counts} after {within:g} s\n{self.logs()}"
        assert progress.counts.submitted == progress.counts.ended
        return progress

    def records(self, job: Job) -> list[Record]:
        """The results of a job, in order of ID."""

        async def fetch(grid: Grid) -> list[Record]:
            given = await grid.jobs.manifest(job)
            pages = results(grid, job, given, cancelled=False)
            return [record async for page in pages for record in page]

        return self.run(fetch)

    def living(self) -> list[Presence]:
        return self.run(lambda grid: grid.roster.living())

    def backlog(self) -> int:
        """Entries queued or in flight."""
        return sum(self.run(lambda grid: grid.streams.backlog(list(Lane))).values())

    def pending(self, name: str, lane: Lane = Lane.BULK, partition: int = 0) -> list[Any]:
        """The entries of a stream that are pending in a consumer's name."""
        with redis.Redis.from_url(self.url) as client:
            found = client.xpending_range(
                keys.stream(partition, lane), keys.GROUP, "-", "+", 10_000, consumername=name
            )
        assert isinstance(found, list)
        return found

    def ended(self, job: Job) -> int:
        """Trades of a job that have an outcome."""
        return self.progress(job).counts.ended

    def logs(self) -> str:
        """The end of each consumer's log, for the message of a failure."""
        return "\n".join(f"{c.log_path.name}: {c.log[-2000:]}" for c in self.consumers)


@contextmanager
def field_at(url: str, folder: Path, partitions: int = 1) -> Iterator[Field]:
    """A field whose consumers are killed at the end."""
    made = Field(url, folder, partitions)
    try:
        yield made
    finally:
        made.close()


def prices(records: Sequence[Record]) -> list[bytes]:
    """Each record's price: all but ``attempts`` and ``ms`` (G3)."""
    return [
        orjson.dumps({k: v for k, v in record.items() if k not in ("attempts", "ms")})
        for record in records
    ]


def synthetic(name: str, milliseconds: float = 0, **fields: Any) -> Job:
    """A job of the synthetic pricer that takes so long a trade."""
    return Job(name, "synthetic", options={"task_duration": milliseconds}, **fields)
