"""A crew on Azure Batch: one job, and a task for each consumer.

Batch can begin a task and kill it. What lies between, a consumer that leaves in good order, goes by
way of the grid's server, which consumers look at (``engine.roster``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import anyio

from engine.errors import ServerError, UsageError
from engine.roster import Roster
from infra.config import Deployment
from infra.pool import batch_tasks
from infra.pool.batch_client import BatchService, JobFacts
from infra.pool.consumers import Count, Fence, unfenced
from infra.pool.plan import Change, Member, Order, State, change, counted, generation_of, job_id

OPEN = "active"
"""The state of a job that takes tasks and begins them."""

_OVER = frozenset({"terminating", "completed", "deleting"})

LOOK = 2.0
"""Seconds between looks at who has left."""

Watch = Callable[[Count], None]
"""Is told how far it got."""


@dataclass(frozen=True, slots=True)
class BatchCrew:
    """Implements ``Consumers``. Without a roster consumers cannot be told to leave."""

    service: BatchService
    deployment: Deployment
    order: Order
    roster: Roster | None = None

    async def job(self) -> JobFacts | None:
        """The crew's job, None if there is none or the last one has ended."""
        name = self.order.name
        found = [
            (generation[1], job)
            for job in await self.service.jobs(f"{name}-")
            if (generation := generation_of(job.id, name))
        ]
        job = max(found, key=lambda each: each[0])[1] if found else None
        return None if job is None or job.state in _OVER else job

    async def members(self, job: JobFacts) -> list[Member]:
        """All that ever belonged to it, those marked that were told to leave."""
        members = await self.service.members(job.id)
        if self.roster is None:
            return members
        leaving = await self.roster.dismissals(job.id)
        return [replace(each, leaving=each.name in leaving) for each in members]

    async def count(self) -> Count:
        """How many there are now; see ``Consumers``."""
        job = await self.job()
        return counted(await self.members(job)) if job is not None else Count()

    async def set(self, number: int, fence: Fence = unfenced) -> int:
        """Have so many; see ``Consumers``.

        Batch knows no fence: what was sent when it held may arrive later. It adds no consumer that
        is there, since they are told by number, and a number is given once.
        """
        await fence()
        job = await self.job() or (await self._begin() if number else None)
        if job is None:
            return 0
        self._check(job)
        todo = change(await self.members(job), number)
        await self._make(job, todo, fence)
        return todo.by

    async def add_up_to(self, number: int) -> tuple[JobFacts, int, int]:
        """Have at least so many; returns the job, how many there are, how many were added."""
        job = await self.job() or await self._begin()
        self._check(job)
        members = await self.members(job)
        there = counted(members).living
        todo = change(members, max(number, there))
        await self._make(job, todo)
        return job, there + todo.by, todo.by

    async def end(self, job: JobFacts, at_most: float, watch: Watch) -> int:
        """End the crew: let its consumers leave, for ``at_most`` seconds, then end its job.

        Returns how many had not left by then, and were ended by force. What they held comes back
        after its lease.
        """
        left = await self._let_leave(job, at_most, watch) if at_most > 0 else await self._there(job)
        await self.service.terminate(job.id)
        return left

    async def _begin(self) -> JobFacts:
        """A new job; two who begin at once come to the same one."""
        name = self.order.name
        known = [generation_of(job.id, name) for job in await self.service.jobs(f"{name}-")]
        latest = max((each[1] for each in known if each is not None), default=0)
        made = batch_tasks.job(job_id(name, latest + 1), self.deployment, self.order)
        await self.service.create_job(made)
        return JobFacts(made.id, OPEN, made.pool_info.pool_id or "")

    def _check(self, job: JobFacts) -> None:
        pool = batch_tasks.pool_id(self.deployment, self.order.lane)
        if job.pool != pool:
            raise UsageError(
                f"crew {self.order.name} is on pool {job.pool}, and the lane {self.order.lane} is "
                f"served by {pool}: say another --name, or the --lane that it is for"
            )
        if job.state != OPEN:
            raise ServerError(
                f"job {job.id} is {job.state}, and begins no consumers: somebody is ending it. End "
                f"it with `azfinsim pool down --name {self.order.name}`, then start anew, or say "
                "another --name"
            )

    async def _make(self, job: JobFacts, todo: Change, fence: Fence = unfenced) -> None:
        if todo.add:
            tasks = [
                batch_tasks.task(job.id, member, self.deployment, self.order) for member in todo.add
            ]
            await fence()
            await self.service.add_tasks(job.id, tasks)
        if todo.end:
            await fence()
            # One that a node takes in this moment is killed, before it holds much: that comes back.
            await self.service.end_queued(job.id, todo.end)
        if todo.dismiss:
            await fence()
            await self._dismiss(job, list(todo.dismiss), "fewer are needed")

    async def _dismiss(self, job: JobFacts, members: list[str] | None, why: str) -> None:
        if self.roster is None:
            raise ServerError(
                "consumers that run are told to leave by way of the Redis server, and it is not "
                "known: say where it is with --redis-url or AZFINSIM_REDIS_URL"
            )
        await self.roster.dismiss(job.id, members, why)

    async def _let_leave(self, job: JobFacts, at_most: float, watch: Watch) -> int:
        await self._dismiss(job, None, "pool down")
        # Else those that are queued would begin as others leave.
        if job.state == OPEN:
            await self.service.hold(job.id)
        left = await self._there(job, watch)
        with anyio.move_on_after(at_most):
            while left:
                await anyio.sleep(LOOK)
                left = await self._there(job, watch)
        return left

    async def _there(self, job: JobFacts, watch: Watch | None = None) -> int:
        """How many are on a node."""
        members = await self.service.members(job.id)
        if watch is not None:
            watch(counted(members))
        return sum(each.state is State.RUNNING for each in members)
