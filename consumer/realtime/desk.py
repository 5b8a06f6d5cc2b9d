"""The realtime desk: what the realtime roles of one consumer share."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from consumer.desk import Desk
from consumer.fetch import DELIVERIES
from consumer.patience import patiently
from consumer.realtime.clock import Clock
from consumer.realtime.holdings import Held, Holdings
from consumer.realtime.pace import Pace
from consumer.realtime.price import Record, refused
from consumer.staff import Staff
from engine import telemetry
from engine.call import Call, Reply
from engine.entry import Unreadable
from engine.job import Lane
from engine.outcome import Outcome

STEP_ASIDE = 0.05
"""Seconds for which a consumer keeps a call that it cannot price and was given again."""

REMEMBERED = 1.0
"""Seconds for which a pricer that was not found is not looked for again, which takes a hundred
times as long as to answer a call."""

MOST_REMEMBERED = 100

log = structlog.get_logger()


_NEVER = (0.0, "")


@dataclass(slots=True)
class RealtimeDesk:
    """The realtime side of one consumer; the roles are functions of it."""

    desk: Desk
    clock: Clock
    pace: Pace
    staff: Staff
    threads: ThreadPoolExecutor
    """Of the slots alone: a thread that has stepped back for bulk cannot step forward again."""
    replies: MemoryObjectSendStream[tuple[Call, Reply]]
    tasks: TaskGroup
    """For what looks for pricers; cancelled at the end."""
    holdings: Holdings = field(default_factory=Holdings)
    unready: set[Held] = field(default_factory=set)
    """Calls whose pricer is looked for, or started in a process."""
    _looked_for: dict[str, list[Held]] = field(default_factory=dict)
    """Algorithm -> the calls that wait for its pricer to be found."""
    _refused: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Algorithm -> until when its calls are refused unseen, and why."""

    def resize(self, slots: int) -> None:
        """Have so many slots from now."""
        self.pace.slots = slots
        self.staff.resize(slots)
        self.holdings.wake()

    async def accept(self, messages: Sequence[Call | Unreadable]) -> None:
        """Let calls just taken, or taken over, wait for a slot."""
        self.desk.work.seen()
        for message in messages:
            if isinstance(message, Unreadable):
                await self._put_aside(message)
            elif message not in self.holdings:
                # One in hand was taken over from ourselves, after the server was away for a lease.
                self._accept(Held(message))

    def _accept(self, held: Held) -> None:
        call = held.call
        self.holdings.arrive(held)
        if call.fault:
            self.refuse(call, Outcome.REJECTED, call.fault)
        elif self.late(call):
            self.expire(call)
        elif call.delivered > DELIVERIES:
            # What kills machines must end too.
            reason = f"whoever had it ended without an outcome, {DELIVERIES} times"
            self.refuse(call, Outcome.DEAD, reason)
        elif (pricer := self.desk.pricers.known.get(call.algorithm)) is not None:
            held.pricer = pricer
            self.holdings.wait(held)
        elif anyio.current_time() < self._refused.get(call.algorithm, _NEVER)[0]:
            self.refuse(call, Outcome.REJECTED, self._refused[call.algorithm][1])
        else:
            self.make_ready(held)
            if call.algorithm not in self._looked_for:
                self.tasks.start_soon(self._look_for, call.algorithm)
            self._looked_for.setdefault(call.algorithm, []).append(held)

    def stop_looking(self) -> list[Call]:
        """Those that wait for a pricer to be found, to be given back."""
        waiting = [held for calls in self._looked_for.values() for held in calls]
        self._looked_for.clear()
        return [held.call for held in waiting if self.holdings.open(held)]

    def make_ready(self, held: Held) -> None:
        """Have a call expire in time though it waits for something else than a slot."""
        self.unready.add(held)
        self.holdings.wake()

    def late(self, call: Call) -> bool:
        """Whether its deadline has passed."""
        return self.clock.now_ms(call.partition) >= call.deadline_ms

    def seconds_left(self, call: Call) -> float:
        """Until its deadline."""
        return max(call.deadline_ms - self.clock.now_ms(call.partition), 0.0) / 1000

    def waited_ms(self, call: Call) -> float:
        """How long ago it was queued."""
        return max(self.clock.now_ms(call.partition) - call.queued_ms, 0.0)

    def refuse(self, call: Call, outcome: Outcome, reason: str, attempts: int = 0) -> None:
        """Answer a call unpriced."""
        attempts = attempts or call.attempts
        self.reply(call, refused(call, outcome, reason, attempts), self.waited_ms(call))

    def expire(self, call: Call) -> None:
        """Answer a call whose deadline has passed."""
        late = self.clock.now_ms(call.partition) - call.deadline_ms
        self.refuse(call, Outcome.EXPIRED, f"its deadline passed {late / 1000:.3f} s before")

    def reply(self, call: Call, record: Record, waited_ms: float) -> None:
        """Let a call that has its outcome wait to be answered; it stays in hand until it is."""
        self.holdings.answer(call)
        name = self.desk.settings.name
        self.replies.send_nowait((call, Reply(call.call, record, name, round(waited_ms, 3))))

    async def hand_back(self, calls: Sequence[Call]) -> None:
        """Give calls back unpriced, at the cost of no attempt."""
        if calls:
            name = self.desk.settings.name
            await patiently("hand back", self.desk.grid.calls.hand_back, name, calls)
            for call in calls:
                self.holdings.let_go(call)
            telemetry.handed_back.add(len(calls), str(Lane.REALTIME))
            log.debug("handed back", calls=len(calls))

    async def _look_for(self, algorithm: str) -> None:
        """Find the pricer that calls wait for, or let them end, here or with another consumer."""
        pricers = self.desk.pricers
        lacking = len(pricers.lacking)
        found = await patiently("fetch", pricers.find, algorithm, Lane.REALTIME)
        if len(pricers.lacking) != lacking:
            # Where all lack a pricer, the last to learn so rejects the calls.
            self.desk.news.set()
        looked_for = self._looked_for.pop(algorithm, [])
        self.unready.difference_update(looked_for)
        # Some have expired meanwhile, or were lost.
        waiting = [held for held in looked_for if self.holdings.open(held)]
        if isinstance(found, str):
            if len(self._refused) == MOST_REMEMBERED:
                self._refused.clear()
            self._refused[algorithm] = (anyio.current_time() + REMEMBERED, found)
        if found is None:
            await self._leave_to_others([held.call for held in waiting])
            return
        for held in waiting:
            if isinstance(found, str):
                self.refuse(held.call, Outcome.REJECTED, found)
            else:
                held.pricer = found
                self.holdings.wait(held)

    async def _leave_to_others(self, calls: Sequence[Call]) -> None:
        """Give back what this consumer has no pricer for."""
        again = [call for call in calls if call.handed_back]
        await self.hand_back([call for call in calls if not call.handed_back])
        if again:
            with anyio.move_on_after(STEP_ASIDE):
                await self.desk.drain.wait()
            await self.hand_back(again)

    async def _put_aside(self, message: Unreadable) -> None:
        log.error("put aside", entry=message.entry_id, reason=message.reason)
        telemetry.unreadable.add(1, str(message.lane))
        await patiently("put aside", self.desk.grid.calls.put_aside, message)
