"""The post: a client's calls that wait for their answers, and what becomes of each.

What may live here: state, and what changes it at once. What speaks to the server is in
``client_roles``.
"""

import asyncio
import os
import random
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

from engine import telemetry
from engine.call import Ask, Moved, Reply
from engine.errors import Closed, NotPriced, TimedOut
from engine.grid import Grid
from producer.client_result import Answer, answer_of

GRACE = 0.25
"""Seconds past its deadline for which a call is waited for: the answer may be on its way, which
says better than a timer what has become of the trade."""


@dataclass(slots=True, eq=False)
class Open:
    """A call that waits for its answer; times by ``time.monotonic``.

    Not by the event loop's clock, which in uvloop knows whole milliseconds only.
    """

    name: str
    trade: bytes
    request: bytes
    began: float
    seconds: float
    """From when it began to its deadline."""
    finish: Callable[[Answer], None]
    """Told the answer, once; never if the caller gives up."""
    traceparent: str = ""
    span: Any = None
    """Of the call, if somebody traces it."""
    timer: asyncio.TimerHandle | None = None
    entry_id: str | None = None
    """None while it is not known to be queued."""
    looked_at: float = 0.0
    """When it was last known to be queued."""

    @property
    def deadline(self) -> float:
        return self.began + self.seconds


@dataclass(slots=True)
class Post:
    """The calls of one client; the roles are functions of it."""

    grid: Grid
    limit: int
    """Calls of the lane beyond which a new one is refused."""
    client: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(8)}")
    partition: int = 0
    """Where all calls of this client lie, and its replies."""
    open: dict[str, Open] = field(default_factory=dict)
    to_send: deque[Open] = field(default_factory=deque)
    to_withdraw: deque[str] = field(default_factory=deque)
    work: asyncio.Event = field(default_factory=asyncio.Event)
    """That there is something to send or to withdraw."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """That calls are open."""
    after: str = "0"
    """The last reply that was read."""
    trouble: dict[str, str] = field(default_factory=dict)
    """What keeps the server from answering, if anything does, by role."""
    served: bool = False
    """Whether somebody was seen to serve the lane, not long ago."""
    closed: bool = False
    defect: BaseException | None = None
    """What a role has died of, which is a fault of ours."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """Of the calls; the client's name is nobody else's."""

    def __post_init__(self) -> None:
        self.partition = random.randrange(self.grid.partitions)

    def start(
        self, trade: bytes, request: bytes, seconds: float, finish: Callable[[Answer], None]
    ) -> Open:
        """Make a call; ``finish`` is told its answer within ``seconds`` and the grace."""
        if self.closed or self.defect:
            raise self.defect or Closed("the client is closed")
        name, began = str(next(self._numbers)), monotonic()
        span = telemetry.begin_call(name)
        parent = telemetry.traceparent(span)
        call = Open(name, trade, request, began, seconds, finish, parent, span)
        loop = asyncio.get_running_loop()
        call.timer = loop.call_later(seconds + GRACE, self._time_out, call)
        self.open[call.name] = call
        self.waiting.set()
        self.send(call)
        return call

    def send(self, call: Open) -> None:
        """Have a call sent, for the first time or again."""
        call.entry_id = None
        self.to_send.append(call)
        self.work.set()

    def next_to_send(self, most: int) -> list[Open]:
        """The next calls to be sent, without those that nobody waits for any more."""
        calls = [self.to_send.popleft() for _ in range(min(most, len(self.to_send)))]
        return [call for call in calls if call.name in self.open]

    def next_to_withdraw(self, most: int) -> list[str]:
        """The next entries to be deleted."""
        return [self.to_withdraw.popleft() for _ in range(min(most, len(self.to_withdraw)))]

    def ask(self, call: Open, now: float) -> Ask:
        """A call as it is sent now."""
        left_ms = max(1, round((call.deadline - now) * 1000))
        return Ask(call.name, self.client, call.trade, call.request, left_ms, call.traceparent)

    def queued(self, call: Open, entry_id: str, now: float) -> None:
        """Note that the server has a call."""
        call.entry_id, call.looked_at = entry_id, now
        if call.name not in self.open:
            self._withdraw(call)

    def answer(self, reply: Reply) -> None:
        """Pass a reply on to whom it is for, unless he has left or was answered before."""
        if (call := self.open.get(reply.call)) is not None:
            self._end(call, answer_of(reply, (monotonic() - call.began) * 1000))

    def moved(self, news: Moved) -> None:
        """Note that a consumer has given a call back."""
        call = self.open.get(news.call)
        if call is None:
            self.to_withdraw.append(news.entry_id)
            self.work.set()
        elif call.entry_id == news.was:
            call.entry_id = news.entry_id

    def fail(self, call: Open, error: NotPriced) -> None:
        """End a call without an answer of the grid."""
        if call.name in self.open:
            self._withdraw(call)
            self._end(call, error)

    def give_up(self, call: Open) -> None:
        """Forget a call for which nobody waits any more; nothing if it has ended."""
        if call.name in self.open:
            self._withdraw(call)
            self._end(call, None)

    def close(self) -> None:
        """End all calls, and refuse new ones."""
        self.closed = True
        for call in list(self.open.values()):
            self.fail(call, Closed("the client was closed before the answer came"))
        self.work.set()
        self.waiting.set()

    def _end(self, call: Open, answer: Answer | None) -> None:
        del self.open[call.name]
        if not self.open:
            self.waiting.clear()
        if call.timer is not None:
            call.timer.cancel()
        if call.span is not None:
            telemetry.end_call(call.span, *_told(answer))
        if answer is not None:
            call.finish(answer)

    def _withdraw(self, call: Open) -> None:
        if call.entry_id is not None:
            self.to_withdraw.append(call.entry_id)
            self.work.set()

    def _time_out(self, call: Open) -> None:
        words = [f"no answer within {call.seconds:g} s", *dict.fromkeys(self.trouble.values())]
        self.fail(call, TimedOut(": ".join(words)))


def _told(answer: Answer | None) -> tuple[str, str]:
    """What a call's span says of its answer: an outcome, and why there is no price."""
    if answer is None:
        return "given up", ""
    if isinstance(answer, NotPriced):
        return type(answer).__name__.lower(), str(answer)
    return str(answer.outcome), ""
