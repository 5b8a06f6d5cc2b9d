"""Who uses the account: a configuration that names it, a credential, and commands.

What may live here: what the tests of ``azfinsim pool`` share.
"""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken

from infra.config import Deployment, save
from infra.pool.batch_client import BatchService, Patience, open_batch
from tests.infra.batch_double.server import BatchDouble
from tests.producer.commands import Run

_IDENTITIES = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity"

DEPLOYMENT = Deployment(
    subscription="00000000-0000-0000-0000-000000000000",
    resource_group="azfinsim",
    location="westeurope",
    batch_endpoint="https://azfinsim.westeurope.batch.azure.com",
    bulk_pool="bulk",
    realtime_pool="realtime",
    bulk_slots=2,
    realtime_slots=1,
    image="azfinsim.azurecr.io/azfinsim:1",
    registry="azfinsim",
    registry_server="azfinsim.azurecr.io",
    registry_identity=f"{_IDENTITIES}/userAssignedIdentities/nodes",
    consumer_identity=f"{_IDENTITIES}/userAssignedIdentities/consumers",
    consumer_client_id="11111111-1111-1111-1111-111111111111",
    redis_url="rediss://azfinsim.westeurope.redis.azure.net:10000?cluster=true",
    storage_url="https://azfinsim.blob.core.windows.net",
    logs_container="logs",
    results_container="results",
    key_vault_url="https://azfinsim.vault.azure.net",
    telemetry="InstrumentationKey=22222222-2222-2222-2222-222222222222",
    version="1",
)


class Token:
    """A credential that has its token already."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://batch.core.windows.net//.default",)
        return AccessToken(self._token, int(time.time()) + 3600)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        pass


@asynccontextmanager
async def service_of(
    double: BatchDouble, patience: Patience | None = None, **options: Any
) -> AsyncIterator[BatchService]:
    """The account by the SDK as production has it, but for the certificate."""
    given = {"connection_verify": str(double.certificate), "credential": Token(double.token)}
    async with open_batch(
        double.endpoint, patience=patience, **{"retry_backoff_factor": 0.01, **given, **options}
    ) as service:
        yield service


def azfinsim(double: BatchDouble, folder: Path, redis_url: str, *words: str) -> Run:
    """A command as its users call it, with a managed identity and a configuration."""
    path = folder / "azfinsim.json"
    save(path, replace(DEPLOYMENT, batch_endpoint=double.endpoint, redis_url=redis_url))
    done = subprocess.run(
        [sys.executable, "-m", "azfinsim", *words],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AZFINSIM_")},
            "AZFINSIM_CONFIG": str(path),
            "AZFINSIM_IDENTITY": DEPLOYMENT.consumer_client_id,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": double.identity_endpoint,
            "SSL_CERT_FILE": str(double.certificate),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Run(done.returncode, done.stdout, done.stderr)
