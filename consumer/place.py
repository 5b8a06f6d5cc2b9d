"""Where a consumer runs, as Azure Batch tells its tasks. Pure."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    """A task of Azure Batch; all empty elsewhere."""

    pool: str = ""
    job: str = ""
    """Of Batch: what ``pool up`` has started."""
    task: str = ""
    node: str = ""
    spot: bool = False
    """Whether the node may be taken away at half a minute's notice."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that Batch sets."""

        def told(name: str) -> str:
            return environment.get(f"AZ_BATCH_{name}", "")

        dedicated = told("NODE_IS_DEDICATED").lower()
        return cls(
            told("POOL_ID"), told("JOB_ID"), told("TASK_ID"), told("NODE_ID"), dedicated == "false"
        )

    @property
    def path(self) -> str:
        """``POOL/JOB/TASK``, under which its logs lie; the host's name where there is no task."""
        return f"{self.pool}/{self.job}/{self.task}" if self.task else socket.gethostname()

    @property
    def labels(self) -> Mapping[str, str]:
        """What each line of its log says of it."""
        told = {"pool": self.pool, "batch_job": self.job, "task": self.task, "node": self.node}
        return {name: value for name, value in told.items() if value}

    def new_name(self) -> str:
        """A name that no other consumer has, for people to find it by.

        A task that Batch starts again, after its node was lost, is another consumer.
        """
        where = self.task or socket.gethostname()
        kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in where[:40])
        return f"{kept}-{os.getpid()}-{secrets.token_hex(4)}"
