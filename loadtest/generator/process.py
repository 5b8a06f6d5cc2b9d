"""A generator from start to end: it joins a meeting, sends its share, and tells what came of it."""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from itertools import islice

from redis.exceptions import RedisClusterException, RedisError

from engine.connection import Address
from engine.errors import UsageError
from engine.grid import open_grid
from loadtest.generator.alarm import alarm
from loadtest.generator.calls import prepared
from loadtest.generator.clock import server_ahead
from loadtest.generator.ledger import Ledger
from loadtest.generator.meeting import Meeting, latest, name_of
from loadtest.generator.posts import post_for
from loadtest.generator.sender import Course, Sender
from loadtest.generator.tally import News, Tally
from loadtest.scenario import RealtimePart, Scenario
from loadtest.scenario_wire import from_wire
from loadtest.timetable import planned

POLL = 0.05
"""Seconds between looks at whether it begins, or is over."""

PATIENCE = 10.0
"""Seconds for which the server may be away before a generator gives the test up."""

UNSENT = 10_000
"""Intervals that are kept while the server is away; more is nobody's to miss."""

Say = Callable[[str], None]


async def generate_load(address: Address, name: str | None, say: Say) -> None:
    """Join a meeting, the latest if none is named, and send until it is over.

    Raises UsageError if there is none, ServerError if the server cannot be reached.
    """
    # On a connection of its own, since that of the calls may be held up by them.
    async with open_grid(address) as grid, open_grid(address) as aside:
        meeting = Meeting(aside.redis, name or await latest(aside.redis))
        scenario = from_wire(await meeting.plan())
        if scenario.realtime is None:
            raise UsageError(f"load test {meeting.name!r} makes no realtime calls")
        own_name = name_of(os.getpid())
        asked = prepared(scenario.realtime, scenario.seed)
        next(asked)  # The pools are encoded by now.
        await meeting.join(own_name)
        say(f"joined {meeting.name} as {own_name}, waiting for its start")
        found = await _begins(meeting)
        if found is None or own_name not in found[1]:
            say("it begins without this generator")
            return
        start, generators = found
        share, of = generators.index(own_name), len(generators)
        course = Course(
            start - await server_ahead(aside),
            Ledger(scenario.realtime.deadline, scenario.interval),
        )
        say(f"sends {share + 1} of {of} shares")
        async with post_for(scenario.driver, address, grid, course) as post:
            generator = _Generator(own_name, meeting, Sender(course, post))
            await _send(generator, scenario, scenario.realtime, share, of)


class _Generator:
    """Tells what came of the intervals while its sender sends."""

    def __init__(self, name: str, meeting: Meeting, sender: Sender) -> None:
        self.name, self.meeting, self.sender, self.course = name, meeting, sender, sender.course
        self._untold: list[News] = []
        self._looked, self._used = time.perf_counter(), time.process_time()

    async def keep_telling(self) -> None:
        """Tell each interval when it is over, until the test is; that of now is not."""
        interval, away_since = self.course.ledger.interval, None
        while not self.course.ended:
            # A little later, for what began in the interval to be noted in it.
            await asyncio.sleep(interval - self.course.now() % interval + 0.01)
            self._collect(int(self.course.now() // interval))
            try:
                await self._tell()
                if await self.meeting.stopped():
                    self.course.ended = True
            except (RedisError, RedisClusterException):
                away_since = away_since or time.monotonic()
                self.course.ended = time.monotonic() - away_since > PATIENCE
            else:
                away_since = None

    async def last_words(self) -> None:
        """Tell the rest."""
        last = int(self.course.now() // self.course.ledger.interval)
        self._collect(last + 1)
        self._untold.append(News(self.name, last, Tally(), 0.0, ended=True))
        until = time.monotonic() + PATIENCE
        while self._untold:
            try:
                await self._tell()
            except (RedisError, RedisClusterException):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(POLL)

    def _collect(self, before: int) -> None:
        looked, used = time.perf_counter(), time.process_time()
        cpu = (used - self._used) / max(looked - self._looked, 1e-6)
        self._looked, self._used = looked, used
        over = self.course.ledger.taken(before)
        self._untold += [News(self.name, number, tally, cpu) for number, tally in over]
        del self._untold[:-UNSENT]

    async def _tell(self) -> None:
        if self._untold:
            telling, self._untold = self._untold, []
            try:
                await self.meeting.tell(telling)
            except BaseException:
                self._untold = telling + self._untold
                raise


async def _send(
    generator: _Generator, scenario: Scenario, part: RealtimePart, share: int, of: int
) -> None:
    asked = islice(prepared(part, scenario.seed), share, None, of)
    times = planned(scenario, share=share, of=of)
    # What lives now lives to the end; looking at it again would hold up what is due.
    gc.collect()
    gc.freeze()
    telling = asyncio.create_task(generator.keep_telling())
    try:
        with alarm() as clock:
            await generator.sender.run(times, asked, clock)
    finally:
        generator.course.ended = True
        await telling
    await generator.last_words()


async def _begins(meeting: Meeting) -> tuple[float, list[str]] | None:
    """Wait until it begins; None if it was called off."""
    while (found := await meeting.begins()) is None:
        if await meeting.stopped():
            return None
        await asyncio.sleep(POLL)
    return found
