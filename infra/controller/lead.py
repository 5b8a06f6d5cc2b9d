"""Who leads: one controller for each lane, by a lease on the server and a token that fences it.

A leader that was frozen past its lease may wake and go on as if nothing had happened. What it
writes down the server refuses, since its token is not the current one; and it acts only on what
was written down, within its lease by its own clock, which went on while it was frozen.
"""

import math
import os
import secrets
import socket
import time
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from engine import keys, scripts
from engine.connection import text
from engine.errors import ServerError
from engine.scripts import Argument, Call, Script
from engine.streams import is_damage
from infra.controller.history import History
from infra.controller.model import Decision

_LEAD, _DECIDE, _RESIGN = Script("lead"), Script("decide"), Script("resign")

KEPT = 7 * 86_400
"""Seconds after the last lease in which what was learnt is forgotten."""


class LeadLost(ServerError):
    """Somebody else leads, or nobody: what was decided may not be done any more."""


def new_name() -> str:
    """A name that no other controller has, from host and process for people to find it by."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(slots=True)
class Lead:
    """One controller's way to lead a lane, and what leaders leave to each other."""

    redis: Redis
    lane: str
    lease: float
    """Seconds."""
    name: str = field(default_factory=new_name)
    """That no other has."""
    crew: str = ""
    """That is kept, as the roster has it."""
    leader: str = ""
    """Who leads, as far as known."""
    until: float = -math.inf
    """To when we may act, by ``time.monotonic``, which a frozen process's time does not stop."""
    _token: str = "0"

    @property
    def token(self) -> int:
        """Higher than that of any leader before."""
        return int(self._token)

    @property
    def leads(self) -> bool:
        """Whether we may act."""
        return time.monotonic() < self.until

    async def take(self) -> bool:
        """Lead, or go on leading, for a lease from before this was asked; False if another does."""
        begun = time.monotonic()
        told: list[Argument] = [self.name, int(self.lease * 1000), KEPT, self._token, self.crew]
        call = Call(_LEAD, [keys.controller(self.lane)], told)
        token, leader = await scripts.run_one(self.redis, call)
        self.leader = text(leader)
        if text(token) == "0":
            # Nor is it ours to go on with should a server forget who leads now.
            self._token, self.until = "0", -math.inf
            return False
        self._token, self.until = text(token), begun + self.lease
        return True

    async def confirm(self, token: int) -> None:
        """Ask the server whether we still lead by this token; raises LeadLost if not.

        To be asked right before what others must not do meanwhile.
        """
        if not (await self.take() and self.token == token and self.leads):
            raise LeadLost("this controller leads no more")

    async def record(self, history: History, decision: Decision) -> bool:
        """Write down what was decided; False if we lead no more, and must not do it."""
        told: list[Argument] = [self.name, self._token, history.to_json(), orjson.dumps(decision)]
        if await scripts.run_one(self.redis, Call(_DECIDE, [keys.controller(self.lane)], told)):
            return self.leads
        self.until = -math.inf
        return False

    async def resign(self) -> None:
        """Lead no more, so that another can at once."""
        self.until = -math.inf
        call = Call(_RESIGN, [keys.controller(self.lane)], [self.name, self._token])
        await scripts.run_one(self.redis, call)

    async def history(self) -> History:
        """What leaders have learnt so far; a new one if it is not there or cannot be read."""
        try:
            stored = await self.redis.hget(keys.controller(self.lane), "history")
            return History.from_json(text(stored).encode()) if stored is not None else History()
        except (ValueError, ResponseError) as error:
            if not is_damage(error):
                raise
            return History()
