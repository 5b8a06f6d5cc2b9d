"""A crew on Azure Batch: a job, and a task for each consumer.

A job keeps every task that it ever had. So that listing them stays short, looks leave out what has
ended, and a job that is full is followed by the next one while its own consumers go on: a crew may
have several at a time. Who adds to a crew while another fills its job up may for one look have more
than was asked for; the next ``set`` has them leave.

Batch can begin a task and kill it. What lies between, a consumer that leaves in good order, goes by
way of the grid's server, which consumers look at (``engine.roster``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from engine.errors import ServerError, UsageError
from engine.roster import Roster
from infra.config import Deployment
from infra.pool import batch_tasks
from infra.pool.batch_client import BatchService, JobFacts
from infra.pool.consumers import Count, Fence, unfenced
from infra.pool.plan import (
    FULL,
    Change,
    Member,
    Order,
    State,
    counted,
    fewer,
    generation_of,
    job_id,
    unused,
)

OPEN = "active"
"""The state of a job that takes tasks and begins them."""

_OVER = frozenset({"terminating", "completed", "deleting"})

ENDED = "azfinsim pool down"
"""Why a job was terminated, as Batch shows it."""

LOOK = 2.0
"""Seconds between looks at who has left."""

Watch = Callable[[Count], None]
"""Is told how far it got."""


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs of a crew, as one listing has them: two who look at once begin the same next one."""

    open: Sequence[JobFacts]
    """Those that are not over, the oldest first."""
    latest: int
    """The highest generation that ever was."""


@dataclass(frozen=True, slots=True)
class BatchCrew:
    """Implements ``Consumers``. Without a roster consumers cannot be told to leave."""

    service: BatchService
    deployment: Deployment
    order: Order
    roster: Roster | None = None

    async def count(self) -> Count:
        """How many there are now; see ``Consumers``. Those that have ended are not looked at."""
        return counted(await self._members((await self._jobs()).open))

    async def set(self, number: int, fence: Fence = unfenced) -> int:
        """Have so many; see ``Consumers``.

        Batch knows no fence: what was sent when it held may arrive later. It adds no consumer that
        is there, since they are told by number, and a number is given once.
        """
        await fence()
        jobs = await self._jobs()
        self._check(jobs.open)
        members = await self._members(jobs.open)
        change = number - counted(members).living
        if change > 0:
            await self._add(jobs, change, fence)
        else:
            await self._make_fewer(fewer(members, number), fence)
        await fence()
        await self._end_those_left(jobs.open, members)
        return change

    async def add_up_to(self, number: int) -> tuple[JobFacts, int, int]:
        """Have at least so many, and at least one.

        Returns the job that took the latest, how many there are, how many were added.
        """
        jobs = await self._jobs()
        self._check(jobs.open)
        there = counted(await self._members(jobs.open)).living
        if there >= number:
            return jobs.open[-1], there, 0
        return await self._add(jobs, number - there), number, number - there

    async def end(self, at_most: float, watch: Watch) -> int:
        """End the crew: let its consumers leave, for ``at_most`` seconds, then end its jobs.

        Returns how many had not left by then, and were ended by force. What they held comes back
        after its lease.
        """
        jobs = (await self._jobs()).open
        if not jobs:
            return 0
        left = await (self._let_leave(jobs, at_most, watch) if at_most > 0 else self._there(jobs))
        # Listed anew: a controller that had yet to hear of it may have begun a next one meanwhile.
        for job in (await self._jobs()).open:
            await self.service.terminate(job.id, ENDED)
        return left

    async def _jobs(self) -> "_Jobs":
        name = self.order.name
        known = sorted(
            (generation[1], job)
            for job in await self.service.jobs(f"{name}-")
            if (generation := generation_of(job.id, name))
        )
        return _Jobs(
            [job for _, job in known if job.state not in _OVER], known[-1][0] if known else 0
        )

    async def _members(self, jobs: Sequence[JobFacts]) -> list[Member]:
        """Those that have not ended, marked that were told to leave."""
        found = []
        for job in jobs:
            leaving = await self.roster.dismissals(job.id) if self.roster is not None else set()
            generation = self._generation(job)
            found += [
                replace(each, leaving=each.name in leaving, generation=generation)
                for each in await self.service.members(job.id, ended=False)
            ]
        return found

    def _generation(self, job: JobFacts) -> int:
        found = generation_of(job.id, self.order.name)
        assert found is not None, job.id
        return found[1]

    async def _add(self, jobs: "_Jobs", how_many: int, fence: Fence = unfenced) -> JobFacts:
        """Add members to the latest job, or to the next one if that is full."""
        job, given = jobs.open[-1] if jobs.open else None, list[str]()
        if job is not None:
            given = await self.service.names(job.id)
        if job is None or len(given) >= FULL:
            await fence()
            job, given = await self._begin(jobs.latest + 1), []
        tasks = [
            batch_tasks.task(job.id, name, self.deployment, self.order)
            for name in unused(given, how_many)
        ]
        await fence()
        await self.service.add_tasks(job.id, tasks)
        return job

    async def _begin(self, generation: int) -> JobFacts:
        """A new job; two who begin at once come to the same one."""
        made = batch_tasks.job(job_id(self.order.name, generation), self.deployment, self.order)
        await self.service.create_job(made)
        return JobFacts(made.id, OPEN, made.pool_info.pool_id or "")

    def _check(self, jobs: Sequence[JobFacts]) -> None:
        pool = batch_tasks.pool_id(self.deployment, self.order.lane)
        for job in jobs:
            if job.pool != pool:
                raise UsageError(
                    f"crew {self.order.name} is on pool {job.pool}, and the lane {self.order.lane} "
                    f"is served by {pool}: say another --name, or the --lane that it is for"
                )
            if job.state != OPEN:
                raise ServerError(
                    f"job {job.id} is {job.state}, and begins no consumers: somebody is ending it. "
                    f"End it with `azfinsim pool down --name {self.order.name}`, then start anew, "
                    "or say another --name"
                )

    async def _make_fewer(self, todo: Change, fence: Fence) -> None:
        for generation in sorted({each.generation for each in (*todo.end, *todo.dismiss)}):
            job = job_id(self.order.name, generation)
            end, dismiss = (
                [each.name for each in members if each.generation == generation]
                for members in (todo.end, todo.dismiss)
            )
            if end:
                await fence()
                # One that a node takes in this moment is killed, before it holds much: that comes
                # back.
                await self.service.end_queued(job, end)
            if dismiss:
                await fence()
                await self._dismiss(job, dismiss, "fewer are needed")

    async def _end_those_left(self, jobs: Sequence[JobFacts], members: Sequence[Member]) -> None:
        """End full jobs whose last member has gone: an account may have few at once."""
        present = {each.generation for each in members}
        for job in jobs[:-1]:
            if self._generation(job) not in present:
                await self.service.terminate(job.id, "all of its consumers have left")

    async def _dismiss(self, job: str, members: list[str] | None, why: str) -> None:
        if self.roster is None:
            raise ServerError(
                "consumers that run are told to leave by way of the Redis server, and it is not "
                "known: say where it is with --redis-url or AZFINSIM_REDIS_URL"
            )
        await self.roster.dismiss(job, members, why)

    async def _let_leave(self, jobs: Sequence[JobFacts], at_most: float, watch: Watch) -> int:
        for job in jobs:
            await self._dismiss(job.id, None, "pool down")
            # Else those that are queued would begin as others leave.
            if job.state == OPEN:
                await self.service.hold(job.id)
        left = await self._there(jobs, watch)
        with anyio.move_on_after(at_most):
            while left:
                await anyio.sleep(LOOK)
                left = await self._there(jobs, watch)
        return left

    async def _there(self, jobs: Sequence[JobFacts], watch: Watch | None = None) -> int:
        """How many are on a node."""
        members = [each for job in jobs for each in await self.service.members(job.id, ended=False)]
        if watch is not None:
            watch(counted(members))
        return sum(each.state is State.RUNNING for each in members)
