"""What Azure answers, in words that say what to do. Pure.

The codes are those of the Batch service's REST interface ("Batch Status and Error Codes").
"""

from typing import Any

from azure.batch.models import CreateTasksError
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
)

from engine.errors import ServerError

SHOWN = 3
"""Of many tasks that were refused, how many are told."""


def code(error: object) -> str:
    """The code of Batch's answer, empty if it was none of Batch's."""
    return str(getattr(getattr(error, "model", None), "code", None) or "")


def explain(error: AzureError | TimeoutError, endpoint: str, what: str) -> ServerError:
    """An error as one for the user; ``what`` is what was being done ("add tasks to job x")."""
    return ServerError(f"cannot {what}: {_why(error, endpoint)}")


def _why(error: AzureError | TimeoutError, endpoint: str) -> str:
    match error:
        case TimeoutError():
            return (
                f"Azure Batch at {endpoint} has not done it in {error}. What it has done stands: "
                "the same command goes on from there"
            )
        case CreateTasksError():
            return _tasks(error, endpoint)
        case ClientAuthenticationError() if error.response is None:
            return (
                "nobody is logged in to Azure: run `az login`, or name a managed identity of this "
                f"machine with AZFINSIM_IDENTITY ({_first_line(error)})"
            )
        case HttpResponseError():
            return _answer(error, endpoint)
        case _:
            return (
                f"Azure Batch at {endpoint} cannot be reached: {_first_line(error)}. Is the "
                "endpoint right (batch_endpoint in the configuration), and may this machine reach "
                "it, where the account is behind a private endpoint?"
            )


def _answer(error: HttpResponseError, endpoint: str) -> str:
    said = _words(error)
    match error.status_code, code(error):
        case 401, _:
            return (
                f"Azure Batch at {endpoint} does not know who asks ({said}): log in to the tenant "
                "of the subscription, `az login --tenant …`"
            )
        case 403, _:
            return (
                f"Azure Batch at {endpoint} refuses ({said}): who asks needs the role `Azure Batch "
                "Data Contributor` on the account, and this machine must be one that it lets in"
            )
        case 404, "PoolNotFound":
            return f"{said} `azfinsim infra deploy` makes the pools, `infra config` says which"
        case _, told if told.endswith("QuotaReached"):
            return (
                f"a quota of the Batch account is reached ({told}: {said}): end what is not "
                "needed (`azfinsim pool down`), or have it raised: Azure portal, Batch account, "
                "Quotas"
            )
        case 429, _:
            return f"Azure Batch at {endpoint} is asked too often ({said}): try again in a minute"
        case status, _ if status is not None and status >= 500:
            return f"Azure Batch at {endpoint} is in trouble ({status}, {said}): try again later"
        case status, told:
            return f"Azure Batch at {endpoint} answers {status} {told}: {said}"


def _tasks(error: CreateTasksError, endpoint: str) -> str:
    """Tasks that were refused, each with its reason, and what stopped the rest."""
    refused = [
        f"{result.task_id}: {_error_words(result.error)}" for result in error.failure_tasks or ()
    ]
    told = []
    if refused:
        more = f", and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        told.append(f"{len(refused)} were refused ({'; '.join(sorted(refused)[:SHOWN])}{more})")
    if error.errors:
        first = error.errors[0]
        told.append(_why(first, endpoint) if isinstance(first, AzureError) else _first_line(first))
    if error.pending_tasks:
        told.append(f"{len(error.pending_tasks)} were not tried")
    return "; ".join(told) or _first_line(error)


def _words(error: HttpResponseError) -> str:
    return _error_words(error.model) or _first_line(error)


def _error_words(error: Any) -> str:
    """What a BatchError says; it puts the request's ID and the time on lines of their own."""
    value = getattr(getattr(error, "message", None), "value", None) or ""
    details = [
        f"{detail.key}: {detail.value}" for detail in getattr(error, "error_values", None) or ()
    ]
    said = str(value).partition("\n")[0].strip()
    return "; ".join(part for part in (said, *details) if part) or str(getattr(error, "code", ""))


def _first_line(error: object) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].strip()
