"""What the account holds, pools, nodes, jobs and tasks, and how they look from outside."""

import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

BEGAN = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
"""Of everything: nobody asks when."""

_NODE_STATES = (
    *("creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting"),
    *("startTaskFailed", "leavingPool", "unknown", "unusable", "waitingForStartTask"),
    *("deallocated", "deallocating", "upgradingOS"),
)


@dataclass(slots=True)
class Node:
    """A machine of a pool."""

    id: str
    spot: bool
    lost: str = ""
    """The state in which it stays when it is gone."""
    running: "list[Task]" = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.lost or ("running" if self.running else "idle")


@dataclass(slots=True)
class Pool:
    """Nodes that are alike."""

    id: str
    slots: int
    """Tasks that a node runs at once."""
    formula: str | None = None
    dedicated: int = 0
    spot: int = 0
    nodes: list[Node] = field(default_factory=list)
    made: int = 0
    """Nodes that it ever had."""

    def resize(self, dedicated: int, spot: int) -> None:
        """Have so many; those that are too many must be idle here."""
        self.dedicated, self.spot = dedicated, spot
        for kind, wanted in ((False, dedicated), (True, spot)):
            present = [node for node in self.nodes if node.spot is kind and not node.lost]
            for _ in range(wanted - len(present)):
                self.made += 1
                self.nodes.append(Node(f"tvm-{self.made}", kind))
            for node in [node for node in present if not node.running][: len(present) - wanted]:
                self.nodes.remove(node)

    def to_json(self) -> dict[str, Any]:
        formula = {"autoScaleFormula": self.formula} if self.formula is not None else {}
        return {
            "id": self.id,
            "state": "active",
            "allocationState": "steady",
            "vmSize": "standard_d4s_v5",
            "enableAutoScale": self.formula is not None,
            "targetDedicatedNodes": self.dedicated,
            "targetLowPriorityNodes": self.spot,
            "currentDedicatedNodes": sum(not node.spot for node in self.nodes),
            "currentLowPriorityNodes": sum(node.spot for node in self.nodes),
            "taskSlotsPerNode": self.slots,
            **formula,
        }

    def counts(self) -> dict[str, Any]:
        """Nodes by state."""

        def of(spot: bool) -> dict[str, int]:
            states = Counter(node.state for node in self.nodes if node.spot is spot)
            return {name: states[name] for name in _NODE_STATES} | {"total": states.total()}

        return {"poolId": self.id, "dedicated": of(False), "lowPriority": of(True)}


@dataclass(slots=True)
class Task:
    """A command line, and what became of it."""

    job: str
    asked: dict[str, Any]
    state: str = "active"
    exit_code: int | None = None
    failure: str = ""
    retries: int = 0
    requeues: int = 0
    node: Node | None = None
    process: "subprocess.Popen[bytes] | None" = None
    ended: bool = False
    """By request: whatever its process says."""

    @property
    def id(self) -> str:
        return str(self.asked["id"])

    def to_json(self) -> dict[str, Any]:
        info: dict[str, Any] = {"retryCount": self.retries, "requeueCount": self.requeues}
        if self.exit_code is not None:
            info["exitCode"] = self.exit_code
        if self.state == "completed":
            info["result"] = "failure" if self.failure else "success"
        if self.failure:
            info["failureInfo"] = {"category": "usererror", "code": self.failure}
        return {
            **self.asked,
            "url": f"https://batch/jobs/{self.job}/tasks/{self.id}",
            "state": self.state,
            "creationTime": BEGAN,
            "executionInfo": info,
        }


@dataclass(slots=True)
class Job:
    """Tasks on a pool."""

    asked: dict[str, Any]
    state: str = "active"
    reason: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    """By ID in lower case, in which the service does not tell IDs apart."""

    @property
    def id(self) -> str:
        return str(self.asked["id"])

    @property
    def pool(self) -> str:
        return str(self.asked["poolInfo"]["poolId"])

    @property
    def running(self) -> list[Task]:
        return [task for task in self.tasks.values() if task.state == "running"]

    def counts(self) -> dict[str, Any]:
        states = Counter(task.state for task in self.tasks.values())
        failed = sum(bool(task.failure) for task in self.tasks.values())
        told = {
            **{name: states[name] for name in ("active", "running", "completed")},
            "succeeded": states["completed"] - failed,
            "failed": failed,
        }
        return {"taskCounts": told, "taskSlotCounts": told}

    def to_json(self) -> dict[str, Any]:
        return {
            **self.asked,
            "url": f"https://batch/jobs/{self.id}",
            "state": self.state,
            "creationTime": BEGAN,
        }
