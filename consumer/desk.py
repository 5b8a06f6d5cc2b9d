"""The desk: what the roles of one consumer share."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.streams.memory import MemoryObjectSendStream

from consumer.drain import Drain
from consumer.fetch import Fetcher
from consumer.holdings import Held, Holdings
from consumer.pace import Pace
from consumer.patience import patiently
from consumer.pricers import Pricers
from consumer.pulse import Pulse
from consumer.settings import Settings
from consumer.slot_process import ProcessDied
from consumer.staff import Staff
from consumer.work import Work
from engine import telemetry
from engine.entry import Entry, Settlement, Unreadable
from engine.grid import Grid
from engine.job import Lane
from engine.machine import resident
from engine.roster import Presence

STEP_ASIDE = 0.25
"""Seconds in which a consumer takes nothing of a lane where it was given what it cannot price."""

log = structlog.get_logger()


@dataclass(slots=True)
class Desk:
    """The state of one consumer; the roles are functions of it."""

    settings: Settings
    grid: Grid
    holdings: Holdings
    pace: Pace
    drain: Drain
    pricers: Pricers
    fetcher: Fetcher
    work: Work
    staff: Staff
    settlements: MemoryObjectSendStream[Settlement]
    priced: int = 0
    """Trades settled since the start."""
    pulse: Pulse = field(default_factory=Pulse)
    aside: dict[Lane, float] = field(default_factory=dict)
    """Until when this consumer leaves a lane to the others, by the event loop's clock."""
    followers: list[Callable[[int], None]] = field(default_factory=list)
    """Who besides is to have as many slots as this desk."""
    news: anyio.Event = field(default_factory=anyio.Event)
    """That what this consumer says of itself has changed."""

    def resize(self, slots: int) -> None:
        """Have so many slots from now."""
        self.pace.slots = slots
        self.staff.resize(slots)
        self.holdings.wake()
        for resize in self.followers:
            resize(slots)
        self.tell_slots()
        self.news.set()

    def tell_slots(self) -> None:
        """Tell how many slots there are that may be busy: realtime has as many as jobs have."""
        sides = bool(self.settings.job_lanes) + self.settings.realtime
        telemetry.slots.set(sides * self.staff.wanted, self.settings.served)

    @property
    def presence(self) -> Presence:
        """What this consumer says of itself."""
        return Presence(
            self.settings.name,
            [str(lane) for lane in self.settings.lanes],
            self.staff.wanted,
            os.getpid(),
            self.priced,
            self.drain.begun,
            dict(self.pricers.lacking),
            self.settings.crew,
            host=socket.gethostname(),
            # Realtime's slots price on the same cores, and those of jobs give way.
            busy=min(self.staff.busy, self.staff.wanted),
            rate=self.pulse.rate,
            memory=resident(),
        )

    async def accept(self, messages: Sequence[Entry | Unreadable]) -> None:
        """Let entries just taken, or taken over, wait for a slot."""
        # One in hand was taken over from ourselves, after the server was away for a lease.
        messages = [m for m in messages if isinstance(m, Unreadable) or m not in self.holdings]
        arriving = [message for message in messages if isinstance(message, Entry)]
        if messages:
            self.work.seen()
        for entry in arriving:
            self.holdings.arrive(entry)
        lacking = len(self.pricers.lacking)
        began = time.perf_counter()
        fetched = await patiently("fetch", self.fetcher.prepare, messages)
        seconds = time.perf_counter() - began
        for lane in {message.lane for message in messages}:
            telemetry.fetch.note(seconds, str(lane))
        if len(self.pricers.lacking) != lacking:
            # Where all lack a pricer, the last to learn so rejects the trades.
            self.news.set()
        for held in fetched.held:
            self.holdings.add(held)
        for settlement in fetched.settlements:
            self.settle(settlement)
        kept = {*(h.entry for h in fetched.held), *(s.entry for s in fetched.settlements)}
        for entry in arriving:
            if entry not in kept and entry not in fetched.elsewhere:
                self.holdings.let_go(entry)
        if fetched.elsewhere:
            await self._leave_to_others(fetched.elsewhere)

    @property
    def lanes(self) -> Sequence[Lane]:
        """The lanes of jobs to take from now, highest first."""
        now = anyio.current_time()
        return [lane for lane in self.settings.job_lanes if self.aside.get(lane, now) <= now]

    async def _leave_to_others(self, entries: Sequence[Entry]) -> None:
        """Give back what this consumer has no pricer for, and give others time to take it.

        Meanwhile it serves its other lanes.
        """
        await self.hand_back(entries)
        until = anyio.current_time() + STEP_ASIDE
        self.aside |= dict.fromkeys((entry.lane for entry in entries), until)

    def settle(self, settlement: Settlement) -> None:
        """Let an entry that has its outcome wait to be settled; it stays in hand until it is."""
        self.holdings.finish(settlement.entry)
        self.settlements.send_nowait(settlement)

    async def retry(self, held: Held, died: ProcessDied) -> None:
        """Have an entry that has killed its process tried again, or ended."""
        settlements = await patiently("retry", self.fetcher.after_death, held, died)
        for settlement in settlements:
            self.settle(settlement)
        if not settlements:
            self.holdings.let_go(held.entry)

    async def hand_back(self, entries: Sequence[Entry]) -> None:
        """Give entries back unpriced, at the cost of no attempt."""
        if entries:
            await patiently("hand back", self.grid.streams.hand_back, self.settings.name, entries)
            for entry in entries:
                self.holdings.let_go(entry)
            for entry in entries:
                telemetry.handed_back.add(1, str(entry.lane))
            log.debug("handed back", entries=len(entries))
