"""Running tasks on the nodes of pools: who gets which, and what becomes of it.

Nodes are imaginary, the processes on them are real. A node that is lost takes its processes with it
by SIGKILL, and its tasks begin again elsewhere, as the service documents it.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.infra.batch_double.records import Job, Node, Pool, Task

ROOT = Path(__file__).parents[3]

ELSEWHERE = ("AZFINSIM_LOGS", "AZFINSIM_IDENTITY", "APPLICATIONINSIGHTS_CONNECTION_STRING")
"""Variables of a task that point to services which this account does not have."""

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "NUMBA_CACHE_DIR")
"""Of this process's variables: a node has its own."""


@dataclass(slots=True)
class Account:
    """All there is, and one lock for it."""

    folder: Path
    execute: bool = True
    """Whether tasks are run; else they stay queued until a test moves them."""
    pools: dict[str, Pool] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    """By ID in lower case."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    waiting: list[threading.Thread] = field(default_factory=list)

    def schedule(self) -> None:
        """Give nodes that have room what is queued for their pool, and end jobs that are held."""
        for job in self.jobs.values():
            if job.state == "disabling" and not job.running:
                job.state = "disabled"
            if job.state == "active" and self.execute:
                self._begin_of(job)

    def end(self, task: Task) -> None:
        """End a task on request, by force if it runs."""
        task.ended = True
        if task.process is not None:
            _kill(task.process)
        else:
            task.state, task.failure = "completed", "TaskEnded"

    def terminate(self, job: Job) -> None:
        """End a job: what runs is killed, what is queued stays so and never runs."""
        job.state = "terminating"
        for task in job.running:
            self.end(task)
        if not job.running:
            job.state = "completed"

    def resize(self, pool: str, dedicated: int, spot: int) -> None:
        """Bring a pool to a size, and give its new nodes work."""
        with self.lock:
            self.pools[pool].resize(dedicated, spot)
            self.schedule()

    def lose(self, pool: str, node: Node, state: str = "preempted") -> None:
        """Lose a node, and all that runs on it."""
        with self.lock:
            node.lost = state
            for task in node.running:
                if task.process is not None:
                    _kill(task.process)

    def close(self) -> None:
        """Kill what still runs."""
        with self.lock:
            self.execute = False
            for job in self.jobs.values():
                self.terminate(job)
        for thread in self.waiting:
            thread.join(10)

    def _begin_of(self, job: Job) -> None:
        pool = self.pools.get(job.pool)
        if pool is None:
            return
        for task in job.tasks.values():
            room = [node for node in pool.nodes if not node.lost and len(node.running) < pool.slots]
            if not room:
                return
            if task.state == "active":
                self._begin(pool, room[0], task)

    def _begin(self, pool: Pool, node: Node, task: Task) -> None:
        folder = self.folder / pool.id / node.id / task.job / task.id
        (folder / "wd").mkdir(parents=True, exist_ok=True)
        with (folder / "stdout.txt").open("ab") as out, (folder / "stderr.txt").open("ab") as err:
            task.process = subprocess.Popen(
                _command(task),
                cwd=folder / "wd",
                env=_environment(pool, node, task, folder),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        task.state, task.node = "running", node
        node.running.append(task)
        thread = threading.Thread(target=self._wait, args=(task, node, task.process))
        self.waiting.append(thread)
        thread.start()

    def _wait(self, task: Task, node: Node, process: "subprocess.Popen[bytes]") -> None:
        code = process.wait()
        with self.lock:
            node.running.remove(task)
            _finish(task, node, code)
            job = self.jobs[task.job.lower()]
            if job.state == "terminating" and not job.running:
                job.state = "completed"
            self.schedule()


def _finish(task: Task, node: Node, code: int) -> None:
    """What becomes of a task whose process has ended."""
    limit = task.asked.get("constraints", {}).get("maxTaskRetryCount", 0)
    task.process = task.node = None
    if task.ended:
        task.state, task.failure = "completed", "TaskEnded"
    elif node.lost:
        task.state = "active"
        task.requeues += 1
    elif code and task.retries < limit:
        task.state = "active"
        task.retries += 1
    else:
        task.state, task.exit_code = "completed", code if code >= 0 else 128 - code
        task.failure = "FailureExitCode" if code else ""


def _command(task: Task) -> list[str]:
    """The command line as it is, but for the program: that one is not installed on nodes."""
    program, *rest = shlex.split(task.asked["commandLine"])
    assert program == "azfinsim", program
    return [sys.executable, "-m", "azfinsim", *rest]


def _environment(pool: Pool, node: Node, task: Task, folder: Path) -> dict[str, str]:
    own = {name: os.environ[name] for name in _KEPT if name in os.environ}
    given = {each["name"]: each["value"] for each in task.asked.get("environmentSettings", ())}
    return {
        **own,
        "PYTHONPATH": str(ROOT),
        **{name: value for name, value in given.items() if name not in ELSEWHERE},
        "AZ_BATCH_ACCOUNT_NAME": "double",
        "AZ_BATCH_POOL_ID": pool.id,
        "AZ_BATCH_NODE_ID": node.id,
        # Only to those on Spot would an eviction be announced, which this one does not know.
        "AZ_BATCH_NODE_IS_DEDICATED": "true",
        "AZ_BATCH_NODE_ROOT_DIR": str(folder.parents[3]),
        "AZ_BATCH_JOB_ID": task.job,
        "AZ_BATCH_TASK_ID": task.id,
        "AZ_BATCH_TASK_DIR": str(folder),
        "AZ_BATCH_TASK_WORKING_DIR": str(folder / "wd"),
    }


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
