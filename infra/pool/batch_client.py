"""All that is said to Azure Batch, by its SDK; what comes back is ours.

The SDK tries again what fails in passing. It does so for ever where tasks are added while the
service answers with errors: here everything ends in a time.
"""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from azure.batch import models
from azure.batch.aio import BatchClient
from azure.core.exceptions import AzureError

from engine.errors import leaf
from infra.pool.batch_errors import code, explain
from infra.pool.plan import Member, State

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

AT_ONCE = 8
"""Requests under way, where there are many to be made."""

RETRY = {"retry_total": 4, "retry_connect": 2, "retry_backoff_max": 8}
"""For what fails in passing: 5xx, 429 (after as long as it says), a connection that was cut."""

_ENDED_BY_US = "TaskEnded"
_STATES = {"active": State.QUEUED, "preparing": State.RUNNING, "running": State.RUNNING}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which something is given up, whatever the SDK would still try."""

    call: float = 60.0
    adding: float = 180.0
    """For all tasks that are added in one go."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job, as Batch tells it."""

    id: str
    state: str
    """``active``, ``disabling``, ``disabled``, ``enabling``, ``terminating``, ``completed`` or
    ``deleting``."""
    pool: str


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool, as Batch tells it."""

    id: str
    allocation: str
    """``steady``, ``resizing`` or ``stopping``."""
    autoscale: bool
    target_dedicated: int
    target_spot: int
    dedicated: Mapping[str, int] = field(default_factory=dict)
    """Nodes by state, those states alone that have any."""
    spot: Mapping[str, int] = field(default_factory=dict)
    errors: Sequence[str] = ()
    """Why it could not be brought to its size, or its formula not be worked out."""


class BatchService:
    """One Batch account. Every method raises ServerError for what goes wrong."""

    def __init__(self, client: BatchClient, endpoint: str, patience: Patience) -> None:
        self._client = client
        self._endpoint = endpoint
        self._patience = patience

    async def jobs(self, starting_with: str = "") -> list[JobFacts]:
        """The jobs whose ID begins so."""
        asked = f"startswith(id,'{starting_with}')" if starting_with else None
        with self._asking("list jobs"):
            found = self._client.list_jobs(filter=asked, select=["id", "state", "poolInfo"])
            return [
                JobFacts(job.id, _word(job.state), job.pool_info.pool_id or "")
                async for job in found
            ]

    async def create_job(self, job: models.BatchJobCreateOptions) -> None:
        """Make a job; nothing if it is there, which somebody else may have made just now."""
        with self._asking(f"make job {job.id}", but=["JobExists"]):
            await self._client.create_job(job)

    async def members(self, job: str, *, ended: bool) -> list[Member]:
        """The tasks of a job, each of which is a consumer; with those that have ended if so asked.

        A job that is weeks old has thousands of these, a thousand a request.
        """
        only = None if ended else "state ne 'completed'"
        with self._asking(f"list the tasks of job {job}"):
            found = self._client.list_tasks(
                job, filter=only, select=["id", "state", "executionInfo"]
            )
            return [_member(task) async for task in found]

    async def names(self, job: str) -> list[str]:
        """The IDs of all tasks that a job ever had."""
        with self._asking(f"list the tasks of job {job}"):
            return [task.id async for task in self._client.list_tasks(job, select=["id"])]

    async def add_tasks(self, job: str, tasks: Sequence[models.BatchTaskCreateOptions]) -> None:
        """Add tasks, a hundred in a request; those that are there already stay as they are."""
        answers: list[int] = []

        def note(response: Any) -> None:
            answers.append(response.http_response.status_code)

        what = f"add {len(tasks)} tasks to job {job}"
        with self._asking(what, self._patience.adding, answers=answers):
            await self._client.create_tasks(
                job, list(tasks), max_concurrency=AT_ONCE, raw_response_hook=note
            )

    async def end_queued(self, job: str, tasks: Iterable[str]) -> None:
        """End tasks that no node has taken; nothing for those that have ended."""

        async def end(task: str) -> None:
            with self._asking(f"end task {task} of {job}", but=["TaskCompleted", "TaskNotFound"]):
                await self._client.terminate_task(job, task)

        await _all([partial(end, task) for task in tasks])

    async def hold(self, job: str) -> None:
        """Have a job begin no more tasks, and go on with those that run."""
        options = models.BatchJobDisableOptions(disable_tasks=models.DisableBatchJobOption.WAIT)
        with self._asking(f"hold job {job}", but=["JobDisabled", "JobBeingDisabled"]):
            await self._client.begin_disable_job(job, options)

    async def terminate(self, job: str, why: str) -> None:
        """End a job and whatever still runs of it; does not wait for that."""
        # Without a body of this form the SDK fails before it asks.
        reason: Any = {"terminateReason": why}
        over = ["JobTerminating", "JobCompleted", "JobBeingTerminated", "JobNotFound"]
        with self._asking(f"end job {job}", but=over):
            await self._client.begin_terminate_job(job, reason)

    async def pools(self, ids: Sequence[str]) -> list[PoolFacts]:
        """The pools of these IDs, which must be there, and their nodes."""
        with self._asking("count the nodes of the pools"):
            counts = {each.pool_id: each async for each in self._client.list_pool_node_counts()}
        found = []
        for pool_id in dict.fromkeys(ids):
            with self._asking(f"look at pool {pool_id}"):
                pool = await self._client.get_pool(pool_id)
            found.append(_pool(pool, counts.get(pool_id)))
        return found

    @contextmanager
    def _asking(
        self,
        what: str,
        seconds: float | None = None,
        *,
        but: Sequence[str] = (),
        answers: Sequence[int] = (),
    ) -> Iterator[None]:
        """Bound the time of a request, and put its error into words.

        ``but`` are no errors; ``answers`` are filled meanwhile, and tell why time ran out.
        """
        bound = self._patience.call if seconds is None else seconds
        try:
            with anyio.fail_after(bound):
                yield
        except AzureError as error:
            if code(error) not in but:
                raise explain(error, self._endpoint, what) from error
        except TimeoutError:
            last = f", and answered {answers[-1]} last" if answers else ""
            raise explain(TimeoutError(f"{bound:g} s{last}"), self._endpoint, what) from None


@asynccontextmanager
async def open_batch(
    endpoint: str,
    credential: "AsyncTokenCredential",
    *,
    patience: Patience | None = None,
    **options: Any,
) -> AsyncIterator[BatchService]:
    """Speak to the account at ``endpoint`` (``https://ACCOUNT.REGION.batch.azure.com``).

    ``options`` go to the SDK's client as they are. Connects only when something is asked.
    """
    async with BatchClient(endpoint, credential, **{**RETRY, **options}) as client:
        yield BatchService(client, endpoint, patience or Patience())


async def _all(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    room = anyio.Semaphore(AT_ONCE)

    async def run(call: Callable[[], Awaitable[None]]) -> None:
        async with room:
            await call()

    try:
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(run, call)
    except BaseExceptionGroup as group_error:
        # Whoever asks expects one error, not one for each.
        raise leaf(group_error) from None


def _word(state: Any) -> str:
    """A state in lower case; one that the SDK does not know comes as it was sent."""
    return str(getattr(state, "value", state) or "").lower()


def _member(task: models.BatchTask) -> Member:
    info = task.execution_info
    ended_badly = info.failure_info if info is not None else None
    failure = str(ended_badly.code or "failure") if ended_badly is not None else ""
    if info is not None and info.exit_code:
        failure = f"exit code {info.exit_code}"
    return Member(
        task.id,
        _STATES.get(_word(task.state), State.COMPLETED),
        "" if failure == _ENDED_BY_US else failure,
        info.requeue_count if info is not None else 0,
    )


def _pool(pool: models.BatchPool, nodes: models.BatchPoolNodeCounts | None) -> PoolFacts:
    run = pool.auto_scale_run
    failed = [run.error] if run is not None and run.error is not None else []
    errors = [*(pool.resize_errors or ()), *failed]
    return PoolFacts(
        pool.id,
        _word(pool.allocation_state),
        bool(pool.enable_auto_scale),
        pool.target_dedicated_nodes or 0,
        pool.target_low_priority_nodes or 0,
        _by_state(nodes.dedicated if nodes is not None else None),
        _by_state(nodes.low_priority if nodes is not None else None),
        [f"{error.code}: {error.message}" for error in errors],
    )


def _by_state(counts: models.BatchNodeCounts | None) -> dict[str, int]:
    if counts is None:
        return {}
    return {
        state: number
        for state, number in counts.as_dict().items()
        if number and isinstance(number, int) and state != "total"
    }
