"""The counterpart of Batch refuses what the service would refuse; else it would prove nothing."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.batch.aio import BatchClient

from infra.pool import batch_tasks
from infra.pool.plan import Order, PoolLane
from tests.infra.batch_double.schema import complaint
from tests.infra.batch_double.server import API_VERSION, MEDIA, BatchDouble, batch_double
from tests.infra.batch_double.users import DEPLOYMENT, Token

ORDER = Order("night", PoolLane.BULK, slots=4, exit_when_idle=300, at_most=86_400)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[BatchDouble]:
    with batch_double(tmp_path, execute=False) as made:
        made.pool("bulk", dedicated=2, spot=1)
        yield made


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """What the command line runs on."""
    return "asyncio", {"use_uvloop": True}


def wire(model: Any) -> Any:
    """A model as it goes over the wire."""
    return json.loads(json.dumps(model.as_dict()))


def task(**changes: Any) -> dict[str, Any]:
    made = wire(batch_tasks.task("night-1", "consumer-00001", DEPLOYMENT, ORDER))
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def test_what_we_send_is_taken() -> None:
    assert (
        complaint("BatchJobCreateOptions", wire(batch_tasks.job("a-1", DEPLOYMENT, ORDER))) is None
    )
    assert complaint("BatchTaskGroup", {"value": [task()]}) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"command_line": "x", "commandLine": None},
        {"commandLine": None},
        {"commandLine": 7},
        {"containerSettings": {"containerRunOptions": "--init"}},
        {"containerSettings": {"imageName": "x", "workingDirectory": "elsewhere"}},
        {"constraints": {"maxWallClockTime": "86400"}},
        {"environmentSettings": [{"value": "x"}]},
        {"url": "https://elsewhere"},
    ],
)
def test_what_the_sdk_lets_pass_is_refused(bad: dict[str, Any]) -> None:
    assert complaint("BatchTaskGroup", {"value": [task(**bad)]}) is not None


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"/jobs?api-version={API_VERSION}", {}, 200),
        ("GET", "/jobs?api-version=2024-07-01.20.0", {}, 400),
        ("GET", "/jobs", {}, 400),
        ("GET", f"/jobs?api-version={API_VERSION}", {"Authorization": "Bearer x"}, 401),
        ("GET", f"/jobs?api-version={API_VERSION}&$filter=id%20gt%20'a'", {}, 400),
        ("GET", f"/certificates?api-version={API_VERSION}", {}, 404),
        ("DELETE", f"/jobs?api-version={API_VERSION}", {}, 404),
        ("POST", f"/jobs?api-version={API_VERSION}", {"Content-Type": "application/json"}, 415),
        ("POST", f"/jobs?api-version={API_VERSION}", {}, 400),
    ],
)
def test_requests(
    double: BatchDouble, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    told = {"Authorization": f"Bearer {double.token}", "Content-Type": MEDIA, **headers}
    body = b'{"id": "x"}' if method == "POST" else None
    request = urllib.request.Request(f"{double.endpoint}{path}", body, told, method=method)
    context = ssl.create_default_context(cafile=str(double.certificate))
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        with error:
            found = error.code
    assert found == status


async def test_pools_are_resized_and_scaled(double: BatchDouble) -> None:
    """By the SDK, as a controller or a formula would."""
    async with BatchClient(
        double.endpoint, Token(double.token), connection_verify=str(double.certificate)
    ) as client:
        asked = models.BatchPoolResizeOptions(target_dedicated_nodes=5, target_low_priority_nodes=0)
        await client.begin_resize_pool("bulk", asked)
        pool = await client.get_pool("bulk")
        assert (pool.target_dedicated_nodes, pool.current_low_priority_nodes) == (5, 0)
        formula = "$TargetDedicatedNodes = 1;"
        scaling = models.BatchPoolEnableAutoScaleOptions(auto_scale_formula=formula)
        await client.enable_pool_auto_scale("bulk", scaling)
        assert (await client.get_pool("bulk")).enable_auto_scale
        evaluating = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)
        run = await client.evaluate_pool_auto_scale("bulk", evaluating)
        assert run.error is None
        [counts] = [each async for each in client.list_pool_node_counts()]
        assert counts.dedicated is not None
        assert (counts.dedicated.idle, counts.dedicated.total) == (5, 5)
