"""``az``, ``terraform``, ``docker`` and ``git`` that say what a test has them say.

They are programs on PATH, which note down what they were told and by which environment. What they
cannot show is whether the real ones take that; tests with the real Terraform stand beside these.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python} -SE
import json, os, re, signal, sys, time
from pathlib import Path
name, told = Path(sys.argv[0]).name, " ".join(sys.argv[1:])
with open({calls!r}, "a") as calls:
    seen = {{"name": name, "arguments": sys.argv[1:], "environment": dict(os.environ)}}
    calls.write(json.dumps(seen) + "\\n")
for answer in json.loads(Path({answers!r}).read_text()):
    if answer["name"] == name and re.search(answer["told"], told):
        break
else:
    sys.exit(f"nobody has said what {{name}} answers to: {{told}}")
plan = re.search(r"-out=(\\S+)", told)
if plan:
    Path(plan[1]).write_text("a plan")
interrupts = []
if answer["until_interrupted"]:
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
print(answer["prints"], end="", flush=True)
print(answer["complains"], end="", file=sys.stderr, flush=True)
if answer["until_interrupted"]:
    Path({running!r}).touch()
    while not interrupts:
        time.sleep(0.01)
    time.sleep(0.2)  # What it has begun, to be finished.
    Path({running!r}).rename({stopped!r})
    Path({stopped!r}).write_text(str(len(interrupts)))
if answer["code"] < 0:
    os.kill(os.getpid(), -answer["code"])
sys.exit(answer["code"])
"""


@dataclass(frozen=True)
class Answer:
    """What a program does when its arguments, joined by spaces, match ``told``."""

    name: str
    told: str
    prints: str = ""
    complains: str = ""
    code: int = 0
    until_interrupted: bool = False


@dataclass(frozen=True)
class Call:
    """How a program was called."""

    name: str
    arguments: list[str]
    environment: dict[str, str]

    def __str__(self) -> str:
        return " ".join([self.name, *self.arguments])


class FakeTools:
    """A folder of programs, to be put on PATH."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("az", "terraform", "git")) -> None:
        self.path = folder / "bin"
        self.running = folder / "running"
        """Is there while one of them waits to be interrupted."""
        self.stopped = folder / "stopped"
        """Then says how often it was."""
        self._calls, self._answers = folder / "calls", folder / "answers"
        self._told: list[Answer] = []
        self.path.mkdir(parents=True)
        self.add(*names)

    def add(self, *names: str) -> None:
        """Put more of them on PATH."""
        program = _PROGRAM.format(
            python=sys.executable,
            calls=str(self._calls),
            answers=str(self._answers),
            running=str(self.running),
            stopped=str(self.stopped),
        )
        for name in names:
            (self.path / name).write_text(program)
            (self.path / name).chmod(0o755)

    def answer(self, name: str, told: str, prints: object = "", **more: Any) -> None:
        """Have a program answer so from now on; what is said last goes first."""
        text = prints if isinstance(prints, str) else json.dumps(prints)
        self._told.insert(0, Answer(name, told, text, **more))
        self._answers.write_text(json.dumps([asdict(each) for each in self._told]))

    @property
    def calls(self) -> list[Call]:
        """All calls so far."""
        if not self._calls.exists():
            return []
        return [Call(**json.loads(line)) for line in self._calls.read_text().splitlines()]

    def called(self, start: str) -> list[Call]:
        """Those that begin so."""
        return [call for call in self.calls if start in str(call)]


SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"

OUTPUTS: Mapping[str, Any] = {
    "subscription": SUBSCRIPTION,
    "resource_group": "azfinsim-0a1b2c3d",
    "location": "westeurope",
    "batch_endpoint": "https://azfinsim0a1b2c3d.westeurope.batch.azure.com",
    "bulk_pool": "bulk",
    "realtime_pool": "realtime",
    "bulk_slots": 1,
    "realtime_slots": 2,
    "registry": "azfinsim0a1b2c3d",
    "registry_server": "azfinsim0a1b2c3d.azurecr.io",
    "registry_identity": "/subscriptions/s/resourceGroups/g/userAssignedIdentities/registry",
    "consumer_identity": "/subscriptions/s/resourceGroups/g/userAssignedIdentities/consumer",
    "consumer_client_id": "44444444-4444-4444-4444-444444444444",
    "redis_url": "rediss://azfinsim-0a1b2c3d.westeurope.redis.azure.net:10000?cluster=true",
    "storage_url": "https://azfinsim0a1b2c3d.blob.core.windows.net",
    "logs_container": "logs",
    "results_container": "results",
    "key_vault_url": "https://azfinsim-kv0a1b2c3d.vault.azure.net",
    "telemetry": "InstrumentationKey=6;IngestionEndpoint=https://in.example.com/",
}
"""What Terraform would give out once all is there."""

CORES = {
    "spot": {"size": "Standard_D4s_v5", "nodes": 4},
    "fallback": {"size": "Standard_D4s_v5", "nodes": 1},
    "dedicated": {"size": "Standard_D2s_v5", "nodes": 0},
}


def planned(*changes: tuple[str, list[str]]) -> dict[str, Any]:
    """What ``terraform show -json`` would print of a plan: addresses, and what is done to each."""
    return {
        "resource_changes": [
            {"address": address, "type": address.partition(".")[0], "change": {"actions": actions}}
            for address, actions in changes
        ],
        "planned_values": {"outputs": {"cores": {"value": CORES}}},
    }


def lines(*events: Mapping[str, Any]) -> str:
    """What ``terraform apply -json`` would print."""
    return "".join(json.dumps(event) + "\n" for event in events)


def completed(address: str) -> dict[str, Any]:
    """One of its lines."""
    return {"type": "apply_complete", "hook": {"resource": {"addr": address}}}


GROUP = "azurerm_resource_group.grid"


@contextmanager
def all_well(folder: Path, *, deployed: bool) -> Iterator[FakeTools]:
    """Tools of somebody who is logged in, has his quotas, and deploys one resource group."""
    tools = FakeTools(folder)
    user = {"id": SUBSCRIPTION, "name": "Risk", "state": "Enabled", "user": {"name": "ada@x.com"}}
    tools.answer("az", "^account show", user)
    tools.answer("az", "^account list-locations", ["westeurope", "northeurope"])
    tools.answer("az", "^batch location quotas show", {"accountQuota": 3})
    tools.answer("az", "^batch account list", [])
    quota = {"dedicatedCoreQuota": 100, "lowPriorityCoreQuota": 100}
    tools.answer("az", "^batch account show", quota)
    tools.answer("terraform", "^version", {"terraform_version": "1.11.4"})
    tools.answer("terraform", " init ")
    tools.answer("terraform", " plan ", "1 to add", code=2)
    tools.answer("terraform", " show ", planned((GROUP, ["create"])))
    tools.answer("terraform", " apply ", lines(completed(GROUP)))
    tools.answer("terraform", " state pull", {"resources": [{"mode": "managed"}]})
    outputs = {"deployment": {"value": OUTPUTS}}
    tools.answer("terraform", " output ", outputs if deployed else {})
    yield tools
