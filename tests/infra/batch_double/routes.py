"""What each request does, as the service's REST interface has it. No sockets."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.infra.batch_double.faults import Faults
from tests.infra.batch_double.nodes import Account
from tests.infra.batch_double.records import Job, Pool, Task
from tests.infra.batch_double.schema import complaint

PAGE = 1000

_ID = re.compile("[A-Za-z0-9_-]{1,64}")


class Refusal(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status: int, code: str, why: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.why = status, code, why or code


@dataclass(slots=True)
class Request:
    """One request, read."""

    path: list[str]
    """What the route's pattern has left open."""
    query: dict[str, str]
    body: Any


@dataclass(slots=True)
class Service:
    """The account as its users see it."""

    account: Account
    faults: Faults

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and body. Raises Refusal."""
        for pattern, (model, status, call) in ROUTES.items():
            wanted, _, form = pattern.partition(" ")
            if method == wanted and (found := re.fullmatch(form, path)):
                if model is not None and (wrong := complaint(model, body)):
                    raise Refusal(400, "InvalidRequestBody", wrong)
                if model is None and body is not None:
                    raise Refusal(400, "InvalidRequestBody", "there must be none")
                with self.account.lock:
                    return status, call(self, Request(list(found.groups()), query, body))
        raise Refusal(404, "ResourceNotFound", f"no such route: {method} {path}")

    def job(self, job_id: str) -> Job:
        job = self.account.jobs.get(job_id.lower())
        if job is None:
            raise Refusal(404, "JobNotFound")
        return job

    def task(self, job_id: str, task_id: str) -> Task:
        task = self.job(job_id).tasks.get(task_id.lower())
        if task is None:
            raise Refusal(404, "TaskNotFound")
        return task

    def pool(self, pool_id: str) -> Pool:
        pool = self.account.pools.get(pool_id)
        if pool is None:
            raise Refusal(404, "PoolNotFound", "The specified pool does not exist.")
        return pool

    def create_job(self, request: Request) -> None:
        asked = request.body
        _check_id(asked["id"])
        if asked["id"].lower() in self.account.jobs:
            raise Refusal(409, "JobExists")
        # Of a pool that is not there, the service says, it takes the job, and runs nothing.
        self.account.jobs[asked["id"].lower()] = Job(asked)

    def list_jobs(self, request: Request) -> Any:
        jobs = list(self.account.jobs.values())
        if asked := request.query.get("$filter"):
            found = re.fullmatch(r"startswith\(id,'([^']*)'\)", asked)
            if not found:
                raise Refusal(400, "InvalidQueryParameterValue", asked)
            jobs = [job for job in jobs if job.id.lower().startswith(found[1].lower())]
        return _paged([job.to_json() for job in jobs], request)

    def disable(self, request: Request) -> None:
        job = self.job(request.path[0])
        if job.state != "active":
            raise Refusal(409, {"disabled": "JobDisabled"}.get(job.state, "JobNotActive"))
        if request.body["disableTasks"] != "wait":
            raise Refusal(501, "NotImplemented", "nobody here disables jobs otherwise")
        job.state = "disabling"
        self.account.schedule()

    def terminate(self, request: Request) -> None:
        job = self.job(request.path[0])
        if job.state in ("completed", "terminating"):
            raise Refusal(409, "JobCompleted" if job.state == "completed" else "JobTerminating")
        job.reason = request.body.get("terminateReason", "")
        self.account.terminate(job)

    def add_tasks(self, request: Request) -> Any:
        job, asked = self.job(request.path[0]), request.body["value"]
        if job.state in ("terminating", "completed"):
            raise Refusal(409, "JobCompleted", "The specified job is already completed.")
        if len(asked) > 100:
            raise Refusal(400, "TooManyTasks")
        if len(asked) > self.faults.most_tasks:
            raise Refusal(413, "RequestBodyTooLarge")
        results = [self._add(job, each) for each in asked]
        self.account.schedule()
        return {"value": results}

    def _add(self, job: Job, asked: dict[str, Any]) -> dict[str, Any]:
        told = {"taskId": asked["id"]}
        code = self.faults.refused.get(asked["id"], "")
        if not code and asked["id"].lower() in job.tasks:
            code = "TaskExists"
        if not code and not _ID.fullmatch(asked["id"]):
            code = "InvalidPropertyValue"
        if code:
            said = {"lang": "en-us", "value": f"{code}, says the service.\nRequestId:x\nTime:y"}
            return {**told, "status": "clienterror", "error": {"code": code, "message": said}}
        job.tasks[asked["id"].lower()] = Task(job.id, asked)
        return {**told, "status": "success", "eTag": "0x1"}

    def list_tasks(self, request: Request) -> Any:
        tasks = list(self.job(request.path[0]).tasks.values())
        if asked := request.query.get("$filter"):
            if asked != "state ne 'completed'":
                raise Refusal(400, "InvalidQueryParameterValue", asked)
            tasks = [task for task in tasks if task.state != "completed"]
        return _paged([task.to_json() for task in tasks], request)

    def end_task(self, request: Request) -> None:
        task = self.task(*request.path)
        if task.state == "completed":
            raise Refusal(409, "TaskCompleted")
        self.account.end(task)

    def node_counts(self, request: Request) -> Any:
        return _paged([pool.counts() for pool in self.account.pools.values()], request)

    def resize(self, request: Request) -> None:
        pool = self.pool(request.path[0])
        if pool.formula is not None:
            raise Refusal(409, "PoolNotEligibleForOperationByAutoScale")
        wanted = (
            request.body.get(f"target{kind}Nodes", 0) for kind in ("Dedicated", "LowPriority")
        )
        self.account.resize(pool.id, *wanted)

    def enable_autoscale(self, request: Request) -> None:
        pool = self.pool(request.path[0])
        pool.formula = request.body.get("autoScaleFormula", pool.formula)

    def evaluate(self, request: Request) -> Any:
        if self.pool(request.path[0]).formula is None:
            raise Refusal(409, "PoolNotAutoScaled")
        return {"timestamp": "2026-01-01T00:00:00Z", "results": ""}


def _check_id(told: str) -> None:
    if not _ID.fullmatch(told):
        raise Refusal(400, "InvalidPropertyValue", told)


def _paged(values: list[dict[str, Any]], request: Request) -> dict[str, Any]:
    """A page of values, cut down to what was selected, and where the next one is."""
    begin = int(request.query.get("$skiptoken", "0"))
    # No more than the service gives, and no more than was asked for.
    end = begin + min(PAGE, int(request.query.get("maxresults", PAGE)))
    chosen = request.query.get("$select")
    if chosen:
        names = chosen.split(",")
        values = [{name: each[name] for name in names if name in each} for each in values]
    more = {"skip": end} if end < len(values) else {}
    return {"value": values[begin:end], **more}


Call = Callable[[Service, Request], Any]

_JOB, _POOL = r"/jobs/([^/]+)", r"/pools/([^/]+)"

ROUTES: dict[str, tuple[str | None, int, Call]] = {
    "POST /jobs": ("BatchJobCreateOptions", 201, Service.create_job),
    "GET /jobs": (None, 200, Service.list_jobs),
    f"GET {_JOB}": (None, 200, lambda s, r: s.job(*r.path).to_json()),
    f"POST {_JOB}/disable": ("BatchJobDisableOptions", 202, Service.disable),
    f"POST {_JOB}/terminate": ("BatchJobTerminateOptions", 202, Service.terminate),
    f"GET {_JOB}/taskcounts": (None, 200, lambda s, r: s.job(*r.path).counts()),
    f"GET {_JOB}/tasks": (None, 200, Service.list_tasks),
    f"POST {_JOB}/addtaskcollection": ("BatchTaskGroup", 200, Service.add_tasks),
    f"GET {_JOB}/tasks/([^/]+)": (None, 200, lambda s, r: s.task(*r.path).to_json()),
    f"POST {_JOB}/tasks/([^/]+)/terminate": (None, 204, Service.end_task),
    "GET /nodecounts": (None, 200, Service.node_counts),
    f"GET {_POOL}": (None, 200, lambda s, r: s.pool(*r.path).to_json()),
    f"POST {_POOL}/resize": ("BatchPoolResizeOptions", 202, Service.resize),
    f"POST {_POOL}/enableautoscale": (
        "BatchPoolEnableAutoScaleOptions",
        200,
        Service.enable_autoscale,
    ),
    f"POST {_POOL}/evaluateautoscale": ("BatchPoolEvaluateAutoScaleOptions", 200, Service.evaluate),
}
"""The model of the body, the status of a success, and what to do."""
