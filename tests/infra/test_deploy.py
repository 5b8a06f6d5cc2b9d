"""``azfinsim infra deploy``, ``config`` and ``destroy``, beside tools that are played."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.tools import _passing_on
from tests.infra.fake_tools import (
    GROUP,
    OUTPUTS,
    SUBSCRIPTION,
    FakeTools,
    all_well,
    completed,
    lines,
    planned,
)
from tests.waiting import eventually

REDIS = "azurerm_managed_redis.grid"


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[FakeTools]:
    with all_well(tmp_path / "tools", deployed=True) as made:
        yield made


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "azfinsim", "infra", *arguments]


def run(tools: FakeTools, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """In a folder of its own, with nothing but the played tools on PATH."""
    ended = subprocess.run(
        command(*arguments),
        cwd=tools.path.parent,
        env={"PATH": str(tools.path), "HOME": str(tools.path), "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **more,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_deploy(tools: FakeTools) -> None:
    tools.path.parent.joinpath("azfinsim-terraform").mkdir(mode=0o755)
    ended = run(tools, "deploy", "--yes", "--json", "--profile", "production", "--name", "risk")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["changes"] == {"create": 1, "update": 0, "replace": 0, "delete": 0}
    deployment = load(tools.path.parent / "azfinsim.json")
    assert deployment.redis_url == OUTPUTS["redis_url"]
    assert deployment.image.startswith("azfinsim0a1b2c3d.azurecr.io/azfinsim:")
    folder = tools.path.parent / "azfinsim-terraform"
    assert json.loads((folder / "settings.tfvars.json").read_text()) == {
        "subscription": SUBSCRIPTION,
        "name": "risk",
        "location": "westeurope",
    }
    assert "private_endpoints       = true" in (folder / "profile.tfvars").read_text()
    assert (folder / "module" / "bulk.autoscale").exists()
    assert not (folder / "module" / "tests").exists()
    assert folder.stat().st_mode & 0o777 == 0o700
    # A plan holds what a state holds.
    assert not (folder / "plan.tfplan").exists()


def test_what_terraform_is_told(tools: FakeTools) -> None:
    tools.path.parent.joinpath("own.tfvars").write_text('redis_sku = "Balanced_B0"\n')
    assert run(tools, "deploy", "--yes", "--var-file", "own.tfvars").returncode == 0
    (plan,) = tools.called("plan -detailed")
    files = [Path(word.partition("=")[2]).name for word in plan.arguments if "-var-file" in word]
    # What is said last goes before the rest.
    assert files == [
        "profile.tfvars",
        "own.tfvars",
        "settings.tfvars.json",
        "deployers.tfvars.json",
    ]
    assert plan.environment["TF_IN_AUTOMATION"] == "1"
    assert plan.environment["CHECKPOINT_DISABLE"] == "1"
    assert run(tools, "deploy", "--yes").returncode == 0
    (_, again) = tools.called("plan -detailed")
    assert again.arguments == plan.arguments


def test_state_in_azure(tools: FakeTools) -> None:
    backend = tools.path.parent / "backend"
    backend.write_text('container_name = "state"\n')
    assert run(tools, "deploy", "--yes", "--backend", "backend").returncode == 0
    module = tools.path.parent / "azfinsim-terraform" / "module"
    assert 'backend "azurerm" {}' in (module / "backend.tf").read_text()
    assert "-backend-config=" in str(tools.called("init")[0])


def test_nothing_to_do(tools: FakeTools) -> None:
    tools.answer("terraform", " plan ", "No changes")
    tools.answer("terraform", " show ", planned((GROUP, ["no-op"])))
    ended = run(tools, "deploy")
    assert ended.returncode == 0
    assert "nothing to do" in ended.stderr


def test_nobody_to_ask(tools: FakeTools) -> None:
    ended = run(tools, "deploy", stdin=subprocess.DEVNULL)
    assert ended.returncode == 2
    assert "--yes" in ended.stderr
    assert not tools.called("apply")


def answered(tools: FakeTools, answer: str, *arguments: str) -> int:
    """Run it on a terminal, and type an answer; returns the exit code."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        command(*arguments),
        cwd=tools.path.parent,
        env={"PATH": str(tools.path), "HOME": str(tools.path), "PYTHONPATH": os.getcwd()},
        stdin=its,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        code = process.wait(60)
    os.close(ours)
    os.close(its)
    return code


@pytest.mark.parametrize(("answer", "code", "applied"), [("y", 0, 1), ("n", 130, 0)])
def test_it_asks(tools: FakeTools, answer: str, code: int, applied: int) -> None:
    assert answered(tools, answer, "deploy") == code
    assert len(tools.called(" apply ")) == applied
    assert not (tools.path.parent / "azfinsim-terraform" / "plan.tfplan").exists()


def test_data_is_not_lost_by_yes(tools: FakeTools) -> None:
    tools.answer("terraform", " show ", planned((REDIS, ["delete", "create"])))
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 2
    assert REDIS in ended.stderr
    assert not tools.called("apply")
    assert answered(tools, "y", "deploy") == 0


def test_no_second_place_for_what_is_deployed(tools: FakeTools) -> None:
    assert run(tools, "deploy", "--yes").returncode == 0
    ended = run(tools, "deploy", "--yes", "--location", "northeurope")
    assert ended.returncode == 2
    assert "deploys location westeurope, and this would be northeurope" in ended.stderr
    assert len(tools.called(" apply ")) == 1


@pytest.mark.parametrize(
    ("option", "typed", "words"),
    [("--location", "westeurop", "--location is"), ("--name", "my-grid", "--name is 'my-grid'")],
)
def test_a_typing_mistake_locks_no_folder(
    tools: FakeTools, option: str, typed: str, words: str
) -> None:
    ended = run(tools, "deploy", "--yes", option, typed)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert run(tools, "deploy", "--yes").returncode == 0


@pytest.mark.parametrize("state", ["", {"resources": []}, {"resources": [{"mode": "data"}]}])
def test_where_nothing_is_there_all_may_be_chosen_anew(tools: FakeTools, state: object) -> None:
    tools.answer("terraform", " plan ", code=1)
    assert run(tools, "deploy", "--yes").returncode == 3
    tools.answer("terraform", " plan ", "1 to add", code=2)
    tools.answer("terraform", " state pull", state)
    assert run(tools, "deploy", "--yes", "--location", "northeurope").returncode == 0


@pytest.mark.parametrize(
    ("name", "told", "answer", "code", "words"),
    [
        (
            "az",
            "^account show",
            {"complains": "ERROR: Please run 'az login' to setup account.", "code": 1},
            3,
            "nobody is logged in to Azure, or not any more: `az login`",
        ),
        (
            "az",
            "^account show",
            {
                "prints": json.dumps(
                    {"id": SUBSCRIPTION, "name": "R", "state": "Disabled", "user": {"name": "a"}}
                )
            },
            3,
            "the subscription R is Disabled",
        ),
        ("az", "list-locations", {"prints": '["westus"]'}, 2, "--location is 'westeurope'"),
        (
            "terraform",
            "^version",
            {"prints": '{"terraform_version": "1.8.5"}'},
            2,
            "terraform is 1.8.5: must be 1.9.0 or later",
        ),
        (
            "terraform",
            " init ",
            {"complains": "Error: Failed to query provider packages", "code": 1},
            3,
            "terraform init failed: Error: Failed to query provider packages",
        ),
        ("terraform", " plan ", {"code": 1}, 3, "terraform could not make a plan"),
        ("az", "^account show", {"complains": "boom", "code": 9}, 3, "az failed (exit code 9)"),
        ("az", "^account show", {"code": -9}, 3, "az failed (killed by SIGKILL, not by us)"),
        ("terraform", " plan ", {"code": -9}, 3, "could not make a plan (killed by SIGKILL"),
        # A login that lapses in the middle.
        (
            "az",
            "list-locations",
            {"complains": "ERROR: AADSTS700082: The refresh token has expired", "code": 1},
            3,
            "or not any more: `az login`, then again (ERROR: AADSTS700082",
        ),
        (
            "terraform",
            " init ",
            {"complains": "Error: building account: AADSTS50173: revoked", "code": 1},
            3,
            "way out: nobody is logged in to Azure, or not any more: `az login`",
        ),
        # Something else of that name, or another version.
        (
            "az",
            "^account show",
            {"prints": "Hello"},
            3,
            "`az account show --output json` has printed (Hello)",
        ),
        ("az", "^account show", {"prints": "{}"}, 3, "cannot be made out"),
        ("az", "list-locations", {"prints": "7"}, 3, "cannot be made out"),
        ("terraform", "^version", {"prints": "Terraform v1.5"}, 3, "`terraform version -json` has"),
        ("terraform", " output ", {"prints": ""}, 3, "has printed (nothing)"),
        ("terraform", " output ", {"prints": "[1]"}, 3, "cannot be made out"),
        ("terraform", " show ", {"prints": '{"resource_changes": [1]}'}, 3, "cannot be made out"),
    ],
)
def test_what_can_be_wrong_beforehand(  # What is played, and what comes of it.
    tools: FakeTools, name: str, told: str, answer: dict[str, Any], code: int, words: str
) -> None:
    tools.answer(name, told, **answer)
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == code
    assert words in ended.stderr
    assert not tools.called("apply")


@pytest.mark.parametrize("name", ["az", "terraform"])
def test_a_tool_is_missing(tools: FakeTools, name: str) -> None:
    (tools.path / name).unlink()
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 2
    assert f"{name} is not on PATH, and is needed here: https://" in ended.stderr


def test_all_tools_that_are_missing_are_named_at_once(tools: FakeTools) -> None:
    for name in ("az", "terraform"):
        (tools.path / name).unlink()
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 2
    assert "az and terraform are not on PATH, and are needed here: https://" in ended.stderr
    assert ended.stderr.count("https://") == 2


def test_a_tool_cannot_be_run(tools: FakeTools) -> None:
    (tools.path / "az").write_text("#!/nowhere/python\n")
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 2
    assert f"cannot run {tools.path / 'az'}: " in ended.stderr


def test_settings_that_cannot_be_read(tools: FakeTools) -> None:
    folder = tools.path.parent / "azfinsim-terraform"
    folder.mkdir()
    (folder / "settings.tfvars.json").write_text("{")
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 2
    assert "write it anew, or name another --dir" in ended.stderr
    ended = run(tools, "deploy", "--yes", "--dir", "/proc/azfinsim")
    assert ended.returncode == 2
    assert "cannot write" in ended.stderr


ADA, BOB = "aaaaaaaa-0000-0000-0000-000000000000", "bbbbbbbb-0000-0000-0000-000000000000"


def test_who_deployed_before_keeps_his_rights(tools: FakeTools) -> None:
    """By the state, which others may share: the folder of who comes second knows nobody."""
    outputs = {"deployment": {"value": OUTPUTS}, "deployers": {"value": [ADA]}}
    tools.answer("terraform", " output ", outputs)
    plan = planned((GROUP, ["create"]))
    plan["planned_values"]["outputs"]["deployers"] = {"value": [ADA, BOB]}
    tools.answer("terraform", " show ", plan)
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 0, ended.stderr
    told = tools.path.parent / "azfinsim-terraform" / "deployers.tfvars.json"
    assert json.loads(told.read_text()) == {"deployers": [ADA]}
    assert f"ada@x.com ({BOB}) becomes an operator, beside {ADA} who" in ended.stderr
    # Once told is enough.
    tools.answer("terraform", " output ", {**outputs, "deployers": {"value": [ADA, BOB]}})
    assert "becomes an operator" not in run(tools, "deploy", "--yes").stderr


def test_apply_is_killed(tools: FakeTools) -> None:
    tools.answer("terraform", " apply ", "7\n[]\n", code=-9)
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 3
    assert "terraform apply was killed by SIGKILL" in ended.stderr
    assert "force-unlock" in ended.stderr
    assert not (tools.path.parent / "azfinsim-terraform" / "plan.tfplan").exists()


def _hear() -> None:
    """Take what may be ignored around us: in a shell's background SIGINT, under nohup SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def test_an_interrupt_while_a_tool_is_being_started_reaches_it() -> None:
    with _passing_on("sleep") as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: interrupts.came, 10, "the signal")
        with subprocess.Popen(["sleep", "60"], text=True, preexec_fn=_hear) as process:
            interrupts.go_to(process)
            assert process.wait(10) == -signal.SIGINT


def test_what_is_ignored_stays_so() -> None:
    """As under nohup, where the terminal may be closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _passing_on("sleep"):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_room_for_a_batch_account(tools: FakeTools) -> None:
    tools.answer("terraform", " output ", {})
    tools.answer("az", "^batch account list", ["one", "two", "three"])
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 3
    assert "has 3 Batch accounts of this subscription (one, two, three)" in ended.stderr
    # Who has it already needs no room for another.
    tools.answer("terraform", " output ", {"deployment": {"value": OUTPUTS}})
    assert run(tools, "deploy", "--yes").returncode == 0


def test_batch_was_never_used_there(tools: FakeTools) -> None:
    tools.answer("terraform", " output ", {})
    tools.answer("az", "quotas show", complains="(MissingSubscriptionRegistration) …", code=1)
    ended = run(tools, "deploy", "--yes")
    # On to Terraform, which registers it; here nothing comes of that.
    assert tools.called("apply")
    assert "nothing is deployed" in ended.stderr


def test_too_few_cores(tools: FakeTools) -> None:
    quota = {"dedicatedCoreQuota": 3, "lowPriorityCoreQuota": 15}
    tools.answer("az", "^batch account show", quota)
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 0
    assert "may grow to 4 dedicated cores, and the Batch account's quota is 3" in ended.stderr
    assert "may grow to 16 Spot cores, and the Batch account's quota is 15" in ended.stderr


def test_apply_fails_halfway(tools: FakeTools) -> None:
    diagnostic = {"summary": "creating Pool", "detail": "Code: AccountCoreQuotaReached"}
    failed = {"type": "diagnostic", "@level": "error", "diagnostic": diagnostic}
    tools.answer("terraform", " apply ", lines(completed(GROUP), failed) + "no JSON\n", code=1)
    ended = run(tools, "deploy", "--yes")
    assert ended.returncode == 3
    assert "creating Pool: Code: AccountCoreQuotaReached" in ended.stderr
    assert "way out: the Batch account's quota of cores is too small" in ended.stderr
    assert not (tools.path.parent / "azfinsim.json").exists()
    # Another go ends it.
    tools.answer("terraform", " apply ", lines(completed(GROUP)))
    assert run(tools, "deploy", "--yes").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("tell", [os.kill, os.killpg])
def test_an_interrupt_is_passed_on_and_waited_for(
    tools: FakeTools, number: int, tell: Callable[[int, int], None]
) -> None:
    """From one process, or as a terminal's Ctrl-C comes: to all that stand in the foreground."""
    tools.answer("terraform", " apply ", until_interrupted=True, code=1)
    with subprocess.Popen(
        command("deploy", "--yes"),
        cwd=tools.path.parent,
        env={"PATH": str(tools.path), "HOME": str(tools.path), "PYTHONPATH": os.getcwd()},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=_hear,
    ) as process:
        eventually(tools.running.exists, 30, "terraform at work")
        tell(process.pid, number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    # It has ended in its own time, and was told once: the second time it would drop everything.
    assert tools.stopped.read_text() == "1"
    assert "terraform finishes what it has begun" in said
    assert "Traceback" not in said
    assert not (tools.path.parent / "azfinsim-terraform" / "plan.tfplan").exists()


def test_config(tools: FakeTools) -> None:
    assert run(tools, "deploy", "--yes").returncode == 0
    ended = run(tools, "config")
    assert json.loads(ended.stdout)["resource_group"] == OUTPUTS["resource_group"]
    path = tools.path.parent / "azfinsim.json"
    before = path.read_bytes()
    path.unlink()
    assert run(tools, "config", "--write").returncode == 0
    assert path.read_bytes() == before


def test_config_for_a_shell(tools: FakeTools) -> None:
    assert run(tools, "deploy", "--yes").returncode == 0
    ended = run(tools, "config", "--env")
    shown = subprocess.run(
        ["/bin/sh", "-c", f'{ended.stdout}echo "$AZFINSIM_REDIS_URL $AZFINSIM_REDIS_AUTH"'],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{OUTPUTS['redis_url']} entra\n"


def test_config_of_nothing(tools: FakeTools) -> None:
    ended = run(tools, "config")
    assert ended.returncode == 2
    assert "nothing was deployed from" in ended.stderr
    assert run(tools, "deploy", "--yes").returncode == 0
    tools.answer("terraform", " output ", {})
    ended = run(tools, "config")
    assert ended.returncode == 3
    assert "nothing is deployed from" in ended.stderr


@pytest.fixture
def doomed(tools: FakeTools) -> FakeTools:
    """Deployed, with Redis to be deleted next."""
    assert run(tools, "deploy", "--yes").returncode == 0
    tools.answer("terraform", " show ", planned((REDIS, ["delete"])))
    return tools


def test_destroy(doomed: FakeTools) -> None:
    ended = run(doomed, "destroy", "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["changes"]["delete"] == 1
    assert "-destroy" in str(doomed.called("plan -detailed")[-1])
    assert not (doomed.path.parent / "azfinsim.json").exists()


@pytest.mark.parametrize(
    ("answer", "code", "applied"), [(OUTPUTS["resource_group"], 0, 2), ("azfinsim", 2, 1)]
)
def test_destroy_asks_for_the_name(doomed: FakeTools, answer: str, code: int, applied: int) -> None:
    assert answered(doomed, answer, "destroy") == code
    assert len(doomed.called(" apply ")) == applied
    assert (doomed.path.parent / "azfinsim.json").exists() == (code != 0)
    assert not (doomed.path.parent / "azfinsim-terraform" / "plan.tfplan").exists()


def test_destroy_keeps_the_configuration_of_another(doomed: FakeTools) -> None:
    path = doomed.path.parent / "azfinsim.json"
    path.write_text(path.read_text().replace("azfinsim-0a1b2c3d", "azfinsim-ffffffff"))
    assert run(doomed, "destroy", "--yes").returncode == 0
    assert path.exists()


def test_destroy_where_nobody_can_be_asked(doomed: FakeTools) -> None:
    ended = run(doomed, "destroy", stdin=subprocess.DEVNULL)
    assert ended.returncode == 2
    assert len(doomed.called(" apply ")) == 1
