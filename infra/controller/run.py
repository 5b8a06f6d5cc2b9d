"""The controller: leads if nobody else does, looks, decides, writes that down, and acts on it.

It may be killed at any moment: what it has learnt and decided is on the server, and all else is
seen anew at the next look.
"""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
import structlog
from redis.exceptions import RedisClusterException, RedisError

from engine.backoff import delay
from engine.connection import passes
from engine.errors import AzfinsimError
from engine.job import Lane
from infra.controller.decide import decide
from infra.controller.history import History
from infra.controller.lead import Lead, LeadLost
from infra.controller.look import Lookout
from infra.controller.model import Decision, Observation, Policy
from infra.controller.realtime import decide_realtime
from infra.controller.words import sentence
from infra.pool.consumers import Consumers
from infra.pool.notice import Notice

LAST_WORDS = 2.0
"""Seconds that resigning may take at the end, if the server does not answer."""

RENEWALS = 3
"""In each lease."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment, and what was decided of it."""

    seen: Observation
    decision: Decision
    currency: str = "USD"

    @property
    def words(self) -> str:
        return sentence(self.decision, self.seen, currency=self.currency)


@dataclass(slots=True)
class Controller:
    """One controller of one lane."""

    lead: Lead
    lookout: Lookout
    consumers: Consumers
    policy: Policy
    interval: float
    """Seconds between looks."""
    notice: Notice
    """By which we hear that the crew was taken down."""
    dry: bool = False
    """Only tells what it would do; does not lead."""
    stop: anyio.Event = field(default_factory=anyio.Event)
    latest: Look | None = None
    _begun: float | None = None
    """By the server's clock."""
    _dry_history: History | None = None
    _followed: str = ""

    async def run(self) -> None:
        """Control until stopped, whoever else does so too, whether the server is there or not."""
        failures = 0
        try:
            while not self.stop.is_set():
                try:
                    await self.turn()
                    failures = 0
                except (RedisError, RedisClusterException, AzfinsimError) as error:
                    if not _passes(error):
                        raise
                    if failures in (0, 5) or failures % 30 == 0:
                        log.warning("cannot control now", error=str(error), tries=failures)
                    await self._pause(delay(failures))
                    failures += 1
        finally:
            await self._resign()

    async def run_once(self) -> bool:
        """Look and act once; False if another leads, or did so before we were done."""
        if self.dry:
            await self.look()
            return True
        self._begun = await self.notice.now()
        if not await self.lead.take():
            log.info("standing by", controller=self.lead.name, leader=self.lead.leader)
            return False
        done = False
        try:
            async with self._leading():
                try:
                    await self.look()
                    done = True
                except LeadLost as error:
                    log.warning("not done", why=str(error))
        finally:
            await self._resign()
        if not done:
            self._tell_of_the_end()
        return done

    async def turn(self) -> None:
        """Lead as long as possible, or wait a little for whoever leads to lead no more."""
        if self.dry:
            await self.look()
            await self._pause(self.interval)
        elif await self._taken_down():
            self._end()
        elif await self.lead.take():
            await self._reign()
        else:
            if self.lead.leader != self._followed:
                self._followed = self.lead.leader
                log.info("standing by", controller=self.lead.name, leader=self.lead.leader)
            await self._pause(self.lead.lease / RENEWALS)

    async def look(self) -> Look:
        """Look once, decide, and act on it, if we lead and may."""
        token = self.lead.token
        seen = await self.lookout.look(await self.consumers.count())
        history = (self._dry_history or await self.lead.history()).looked(seen)
        deciding = decide_realtime if self.lookout.lane is Lane.REALTIME else decide
        decision, history = deciding(seen, self.policy, history)
        self.latest = Look(seen, decision, self.policy.currency)
        if self.dry:
            self._dry_history = history
            self._tell("would decide")
        elif await self.lead.record(history, decision):
            self._tell("decided")
            if decision.consumers != seen.present:
                fence = partial(self._may_act, token)
                changed = await self.consumers.set(decision.consumers, fence)
                log.info("set", consumers=decision.consumers, change=changed, token=token)
        return self.latest

    async def _may_act(self, token: int) -> None:
        """The fence before all that is done; raises LeadLost."""
        if await self._taken_down():
            raise LeadLost(f"crew {self.notice.crew} was taken down")
        await self.lead.confirm(token)

    async def _taken_down(self) -> bool:
        """Whether somebody has taken the crew down since we began."""
        if self._begun is None:
            self._begun = await self.notice.now()
        return await self.notice.given_since(self._begun)

    def _end(self) -> None:
        log.warning("the crew was taken down: this controller ends", crew=self.notice.crew)
        self.stop.set()

    async def _reign(self) -> None:
        log.info("leading", controller=self.lead.name, token=self.lead.token)
        self._followed = ""
        async with self._leading():
            while not self.stop.is_set():
                await self._look_patiently()
                await self._pause(self.interval)
        if not self.stop.is_set():
            self._tell_of_the_end()

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[None]:
        """A scope in which the lease is renewed, and that ends when it lapses or another leads."""
        async with anyio.create_task_group() as group:
            # When the lease lapses all is left as it is, whatever is being waited for.
            self._extend(group.cancel_scope)
            group.start_soon(self._keep, group.cancel_scope)
            yield
            group.cancel_scope.cancel()

    def _tell_of_the_end(self) -> None:
        log.warning("leading no more", controller=self.lead.name)

    async def _look_patiently(self) -> None:
        """Look; what cannot be done now is tried at the next look, while the lease lasts."""
        try:
            if await self._taken_down():
                self._end()
            else:
                await self.look()
        except (RedisError, RedisClusterException, AzfinsimError) as error:
            if not _passes(error):
                raise
            log.warning("cannot control now", error=str(error))

    async def _keep(self, reign: anyio.CancelScope) -> None:
        """Renew the lease; end the reign if another leads."""
        token = self.lead.token
        while True:
            await anyio.sleep(self.lead.lease / RENEWALS)
            try:
                # By another token somebody has led meanwhile, and may have decided otherwise.
                leads = await self.lead.take() and self.lead.token == token
            except (RedisError, RedisClusterException) as error:
                if not passes(error):
                    raise
                log.warning("cannot renew the lease", error=str(error))
                continue
            if not leads:
                reign.cancel()
            self._extend(reign)

    def _extend(self, reign: anyio.CancelScope) -> None:
        if math.isfinite(self.lead.until):
            reign.deadline = anyio.current_time() + self.lead.until - time.monotonic()

    async def _resign(self) -> None:
        with anyio.move_on_after(LAST_WORDS, shield=True):
            try:
                if not self.dry:
                    await self.lead.resign()
            except (RedisError, RedisClusterException) as error:
                log.warning("cannot resign: the lease has to lapse", error=str(error))

    async def _pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.stop.wait()

    def _tell(self, event: str) -> None:
        assert self.latest is not None
        seen, decision = self.latest.seen, self.latest.decision
        log.info(
            event,
            words=self.latest.words,
            consumers=decision.consumers,
            living=seen.living,
            starting=seen.starting,
            left=seen.left,
            token=self.lead.token,
        )


def _passes(error: Exception) -> bool:
    """Whether it may come right: the server's, or the pool's, which had answered at the start."""
    return isinstance(error, AzfinsimError) or passes(error)
