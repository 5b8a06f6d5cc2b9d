"""Crews on Batch by the real SDK: many, again, at once, and whatever goes wrong on the way."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.identity import CredentialUnavailableError

from engine.errors import ServerError, UsageError
from infra.pool import batch_crew
from infra.pool.batch_client import BatchService, Patience
from infra.pool.batch_crew import BatchCrew
from infra.pool.consumers import Consumers, Count, Fence
from infra.pool.plan import Order, PoolLane, State
from tests.infra.batch_double.nodes import Account
from tests.infra.batch_double.records import Job
from tests.infra.batch_double.server import BatchDouble, batch_double
from tests.infra.batch_double.users import DEPLOYMENT, service_of

ADDING = "POST /jobs/[^/]+/addtaskcollection"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What the command line runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def double(tmp_path: Path) -> Iterator[BatchDouble]:
    """An account whose tasks are moved by the test, and not run."""
    with batch_double(tmp_path, execute=False) as made:
        made.pool("bulk")
        made.pool("realtime")
        yield made


def crew_of(service: BatchService, lane: PoolLane = PoolLane.BULK, roster: Any = None) -> BatchCrew:
    return BatchCrew(service, DEPLOYMENT, Order("night", lane), roster)


class Dismissals:
    """Keeps in mind who was told to leave; what consumers make of it is tested with real ones."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str] | None, str]] = []

    async def dismiss(self, crew: str, members: list[str] | None, reason: str) -> None:
        self.told.append((crew, members, reason))

    async def dismissals(self, crew: str) -> set[str]:
        return {name for of, names, _ in self.told if of == crew for name in names or ()}


def job_of(account: Account, name: str = "night-1") -> Job:
    return account.jobs[name]


async def test_who_may_not_act_any_more_adds_and_ends_nothing(double: BatchDouble) -> None:
    """Whenever that turns out: before the job is made, before tasks are added, before they end."""

    def holding(times: int) -> Fence:
        left = iter(range(times))

        async def fence() -> None:
            if next(left, None) is None:
                raise ServerError("somebody else leads")

        return fence

    async with service_of(double) as service:
        crew = crew_of(service)
        for times in (0, 1):
            with pytest.raises(ServerError, match="somebody else leads"):
                await crew.set(3, holding(times))
            assert (await crew.count()).living == 0
        await crew.set(3)
        with pytest.raises(ServerError, match="somebody else leads"):
            await crew.set(1, holding(1))
        assert (await crew.count()).living == 3


async def test_a_thousand_in_seconds(double: BatchDouble) -> None:
    async with service_of(double) as service:
        crew: Consumers = crew_of(service)
        began = time.monotonic()
        assert await crew.set(1_000) == 1_000
        assert await crew.count() == Count(queued=1_000)
        assert time.monotonic() - began < 30
    assert sum("addtaskcollection" in each for each in double.requests) == 10


async def test_more_than_a_page(double: BatchDouble) -> None:
    """Paging: a number that was given is seen wherever it stands."""
    async with service_of(double) as service:
        crew = crew_of(service)
        await crew.set(1_001)
        assert await crew.set(1_002) == 1
    assert len(job_of(double.account).tasks) == 1_002


async def test_again_adds_what_lacks(double: BatchDouble) -> None:
    async with service_of(double) as service:
        crew = crew_of(service)
        await crew.add_up_to(5)
        tasks = list(job_of(double.account).tasks.values())
        tasks[0].state, tasks[1].state = "completed", "running"
        _, there, added = await crew.add_up_to(5)
        assert (there, added) == (5, 1)
        assert (await crew.add_up_to(3))[1:] == (5, 0)
    assert list(job_of(double.account).tasks)[-1] == "consumer-00006"


async def test_two_at_once_add_once(double: BatchDouble) -> None:
    async with (
        service_of(double) as one,
        service_of(double) as other,
        anyio.create_task_group() as g,
    ):
        for service in (one, other):
            g.start_soon(crew_of(service).set, 250)
    assert len(double.account.jobs) == 1
    assert len(job_of(double.account).tasks) == 250


async def test_fewer(double: BatchDouble) -> None:
    """Those that wait go; those that run are told, not ended."""
    roster = Dismissals()
    async with service_of(double) as service:
        crew = crew_of(service, roster=roster)
        await crew.set(5)
        for name in ("consumer-00001", "consumer-00002", "consumer-00003"):
            job_of(double.account).tasks[name].state = "running"
        assert await crew.set(2) == -3
        assert roster.told == [("night-1", ["consumer-00003"], "fewer are needed")]
        assert await crew.count() == Count(running=2, leaving=1)
        assert await crew.set(2) == 0
        states = {each.name: each.state for each in await service.members("night-1", ended=True)}
        assert states["consumer-00003"] is State.RUNNING
        assert list(states.values()).count(State.COMPLETED) == 2
    async with service_of(double) as service:
        with pytest.raises(ServerError, match="told to leave by way of the Redis server"):
            await crew_of(service).set(1)


async def test_those_who_have_ended_are_not_listed_again(double: BatchDouble) -> None:
    async with service_of(double) as service:
        crew = crew_of(service)
        await crew.set(2_500)
        for task in list(job_of(double.account).tasks.values())[:-1]:
            task.state = "completed"
        double.requests.clear()
        assert await crew.count() == Count(queued=1)
        assert await crew.set(1) == 0
    assert double.requests == ["GET /jobs", "GET /jobs/night-1/tasks"] * 2


async def test_a_full_job_is_followed_by_another(
    double: BatchDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_crew, "FULL", 3)
    roster = Dismissals()
    async with service_of(double) as service:
        crew = crew_of(service, roster=roster)
        await crew.set(3)
        first = job_of(double.account)
        first.tasks["consumer-00001"].state = "completed"
        first.tasks["consumer-00002"].state = first.tasks["consumer-00003"].state = "running"
        # Those who run stay where they are, and count.
        latest, there, added = await crew.add_up_to(4)
        assert (latest.id, there, added) == ("night-2", 4, 2)
        second = job_of(double.account, "night-2")
        assert sorted(second.tasks) == ["consumer-00001", "consumer-00002"]
        assert await crew.count() == Count(queued=2, running=2)
        # The latest go first; what one job's member is called, another's is, too.
        second.tasks["consumer-00001"].state = second.tasks["consumer-00002"].state = "running"
        assert await crew.set(1) == -3
        assert [(crew_, names) for crew_, names, _ in roster.told] == [
            ("night-1", ["consumer-00003"]),
            ("night-2", ["consumer-00002", "consumer-00001"]),
        ]
        assert await crew.set(1) == 0
        assert first.state == "active"
        # When its last member has gone, the first is over, and the crew goes on.
        for task in first.tasks.values():
            task.state = "completed"
        assert await crew.set(2) == 2
        assert (first.state, second.state) == ("completed", "active")
        assert first.reason == "all of its consumers have left"


async def test_all_jobs_of_a_crew_are_ended(
    double: BatchDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_crew, "FULL", 1)
    roster = Dismissals()
    async with service_of(double) as service:
        crew = crew_of(service, roster=roster)
        for number in (1, 2, 3):
            await crew.set(number)
        jobs = [job_of(double.account, f"night-{number}") for number in (1, 2, 3)]
        jobs[0].tasks["consumer-00001"].state = "running"
        assert await crew.end(0.01, lambda _: None) == 1
        assert [told[:2] for told in roster.told] == [(job.id, None) for job in jobs]
        assert {job.state for job in jobs} == {"completed"}
        assert await crew.count() == Count()
        await crew.set(1)
    assert job_of(double.account, "night-4").state == "active"


async def test_what_is_queued_does_not_begin_while_others_leave(double: BatchDouble) -> None:
    roster, seen = Dismissals(), list[str]()
    async with service_of(double) as service:
        crew = crew_of(service, roster=roster)
        await crew.set(2)
        tasks = job_of(double.account).tasks
        tasks["consumer-00001"].state = "running"

        def watch(count: Count) -> None:
            seen.append(job_of(double.account).state)
            assert roster.told == [("night-1", None, "pool down")]
            # It leaves, and its node is free.
            with double.account.lock:
                tasks["consumer-00001"].state = "completed"
                double.account.schedule()

        assert await crew.end(30, watch) == 0
    assert seen == ["disabling", "disabled"]
    assert tasks["consumer-00002"].state == "active"
    assert job_of(double.account).state == "completed"


async def test_a_job_that_has_ended_is_followed_by_another(double: BatchDouble) -> None:
    async with service_of(double) as service:
        crew = crew_of(service)
        assert await crew.set(0) == 0
        assert not double.account.jobs
        await crew.set(1)
        await crew.end(0, lambda _: None)
        assert job_of(double.account).state == "completed"
        assert job_of(double.account).reason == "azfinsim pool down"
        assert await crew.count() == Count()
        await crew.set(1)
        assert job_of(double.account, "night-2").state == "active"


async def test_a_job_that_is_held_takes_no_more(double: BatchDouble) -> None:
    async with service_of(double) as service:
        crew = crew_of(service)
        await crew.set(1)
        await service.hold("night-1")
        with pytest.raises(ServerError, match=r"night-1 is disabled.*pool down --name night"):
            await crew.set(2)


async def test_a_crew_stays_on_its_pool(double: BatchDouble) -> None:
    async with service_of(double) as service:
        await crew_of(service).set(1)
        with pytest.raises(UsageError, match=r"night is on pool bulk.*served by realtime"):
            await crew_of(service, PoolLane.REALTIME).set(1)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "times": 3},
        {"status": 500, "times": 2, "code": "InternalServerError"},
        {"status": 429, "times": 2, "code": "TooManyRequests", "retry_after": 1},
        # Carried out, and the answer lost: the same tasks are there when they come again.
        {"status": 503, "times": 3, "done": True},
    ],
)
async def test_what_passes_is_waited_for(double: BatchDouble, fault: dict[str, Any]) -> None:
    double.faults.play(ADDING, **fault)
    async with service_of(double) as service:
        crew = crew_of(service)
        assert await crew.set(250) == 250
        assert await crew.count() == Count(queued=250)
    assert len(job_of(double.account).tasks) == 250


async def test_a_body_that_is_too_large_is_cut(double: BatchDouble) -> None:
    double.faults.most_tasks = 30
    async with service_of(double) as service:
        await crew_of(service).set(250)
    assert len(job_of(double.account).tasks) == 250


async def test_errors_for_ever_end(double: BatchDouble) -> None:
    """The SDK would go on for ever."""
    double.faults.play(ADDING, 503)
    async with service_of(double, Patience(adding=1.0)) as service:
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"not done it in 1 s, and answered 503 last") as told:
            await crew_of(service).set(5)
        assert time.monotonic() - began < 5
        assert "the same command goes on from there" in str(told.value)
        double.faults.playing.clear()
        assert await crew_of(service).set(5) == 5


async def test_tasks_that_are_refused_are_told_one_by_one(double: BatchDouble) -> None:
    double.faults.refused = {f"consumer-{n:05d}": "ContainerInvalid" for n in (2, 3, 4, 5)}
    async with service_of(double) as service:
        with pytest.raises(ServerError) as told:
            await crew_of(service).set(5)
        assert str(told.value).startswith(
            "cannot add 5 tasks to job night-1: 4 were refused (consumer-00002: ContainerInvalid, "
            "says the service.; consumer-00003"
        )
        assert str(told.value).endswith(", and 1 more)")
        double.faults.refused = {}
        assert await crew_of(service).set(5) == 4


@pytest.mark.parametrize(
    ("request_", "status", "code", "told"),
    [
        ("GET /jobs", 403, "AuthorizationPermissionMismatch", "Azure Batch Data Contributor"),
        (ADDING, 403, "AuthorizationPermissionMismatch", "cannot add 2 tasks.*were not tried"),
        ("POST /jobs$", 409, "ActiveJobAndScheduleQuotaReached", "quota of the Batch account"),
        ("GET /jobs/.*/tasks", 409, "JobBeingDeleted", "answers 409 JobBeingDeleted"),
        ("GET /jobs$", 503, "ServerBusy", r"in trouble \(503, as the test has asked for\)"),
        ("GET /jobs$", 429, "TooManyRequests", "asked too often"),
        ("GET /pools/bulk", 404, "PoolNotFound", "infra deploy"),
        # Several at once, of which one is told.
        ("POST /jobs/.*/tasks/.*/terminate", 403, "AuthorizationFailure", "cannot end task cons"),
    ],
)
async def test_errors_say_the_way_out(
    double: BatchDouble, request_: str, status: int, code: str, told: str
) -> None:
    double.faults.play(request_, status, code)

    async def all_that_is_asked(service: BatchService) -> None:
        await service.pools(["bulk"])
        await crew_of(service).set(2)
        # What there is, is listed where there is a job.
        await crew_of(service).set(3)
        await crew_of(service).set(1)

    async with service_of(double) as service:
        with pytest.raises(ServerError, match=told) as error:
            await all_that_is_asked(service)
    assert "\n" not in str(error.value)


async def test_nobody_is_there(double: BatchDouble) -> None:
    endpoint, double.endpoint = double.endpoint, "https://127.0.0.1:9"
    async with service_of(double, retry_connect=0) as service:
        with pytest.raises(ServerError, match=r"127.0.0.1:9 cannot be reached.*batch_endpoint"):
            await crew_of(service).count()
    double.endpoint = endpoint
    # And somebody, whom nobody vouches for.
    async with service_of(double, retry_connect=0, connection_verify=True) as service:
        with pytest.raises(ServerError, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED"):
            await crew_of(service).count()


async def test_nobody_is_logged_in(double: BatchDouble) -> None:
    class Nobody:
        async def get_token(self, *_: str, **__: Any) -> Any:
            raise CredentialUnavailableError(message="No managed identity endpoint found.\nMore")

        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *_: Any) -> None:
            pass

        async def close(self) -> None:
            pass

    async with service_of(double, credential=Nobody()) as service:
        with pytest.raises(ServerError, match=r"run `az login`.*AZFINSIM_IDENTITY") as told:
            await crew_of(service).count()
    assert "\n" not in str(told.value)
    double.token = "another"
    async with service_of(double) as service:
        double.token = "changed"
        with pytest.raises(ServerError, match=r"does not know who asks.*az login --tenant"):
            await crew_of(service).count()
