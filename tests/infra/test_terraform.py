"""The Terraform module: well formed, valid, and as its own tests say; and in step with the program.

The provider comes from the offline tool beside the repository, or where AZFINSIM_TERRAFORM_CHECK
says that this is, and else from the public registry. The tool knows what arguments there are, and
not which values they take.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from engine import telemetry
from engine.measures import FIGURES
from infra.config import Deployment
from infra.deploy import LOCATION, NAME, NAMES
from infra.deploy_azure import cores_of
from infra.deploy_terraform import MODULE, PROFILES, Choices, Terraform
from infra.pool.plan import PoolLane

SOURCE = Path(__file__).parents[2]
TOOL = SOURCE.parent / "shared" / "tools" / "terraform-offline" / "terraform-offline"


@dataclass(frozen=True)
class Module:
    """A copy, with its provider at hand."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def good(self, *arguments: str) -> str:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(scope="session")
def provider() -> Mapping[str, str]:
    """The environment in which Terraform finds its provider."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on PATH")
    tool = Path(os.environ.get("AZFINSIM_TERRAFORM_CHECK") or TOOL)
    told = {**os.environ, "CHECKPOINT_DISABLE": "1"}
    if tool.exists():
        shown = subprocess.run([str(tool), "env"], capture_output=True, text=True, check=True)
        for word in shown.stdout.split():
            name, is_one, value = word.partition("=")
            if is_one:
                told[name] = value
    return told


@pytest.fixture(scope="session")
def module(provider: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Module:
    folder = tmp_path_factory.mktemp("terraform") / "module"
    shutil.copytree(MODULE, folder, ignore=shutil.ignore_patterns(".terraform*"))
    made = Module(folder, provider)
    ended = made.run("init", "-backend=false", "-input=false")
    if ended.returncode:
        pytest.skip(f"no provider: neither {TOOL} nor the registry: {ended.stderr[-300:]}")
    return made


def test_it_is_formatted(module: Module) -> None:
    module.good("fmt", "-check", "-recursive", "-diff")


def test_it_is_valid(module: Module) -> None:
    assert "Success" in module.good("validate", "-no-color")


def test_its_own_tests(module: Module) -> None:
    told = module.good("test", "-no-color")
    assert "Success! 10 passed, 0 failed." in told


@pytest.fixture
def profile_test(module: Module) -> Iterator[str]:
    """A test that takes what -var-file says."""
    path = module.folder / "tests" / "profile.tftest.hcl"
    mock = 'mock_provider "azurerm" {\n  source = "./tests/mocks"\n}\n'
    path.write_text(
        mock + 'variables {\n  subscription = "22222222-2222-2222-2222-222222222222"\n}\n'
        'run "made" {}\n'
    )
    yield "tests/profile.tftest.hcl"
    path.unlink()


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_fit_together(module: Module, profile_test: str, profile: str) -> None:
    module.good("test", f"-var-file={profile}.tfvars", f"-filter={profile_test}")


def test_the_real_terraform_takes_what_we_write(
    provider: Mapping[str, str],
    module: Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The folder of ``deploy``, up to where Azure would be asked."""
    for name, value in provider.items():
        monkeypatch.setenv(name, value)
    terraform = Terraform(tmp_path / "folder")
    (tmp_path / "own.tfvars").write_text('redis_sku = "Balanced_B0"\n')
    terraform.write(
        Choices(
            "22222222-2222-2222-2222-222222222222",
            *(NAME, LOCATION, "production", tmp_path / "own.tfvars"),
        )
    )
    terraform.init()
    assert terraform.output("deployment") is None
    assert terraform.keep_operators() == []
    with pytest.raises(Exception, match="could not make a plan"), terraform.planned():
        pass
    said = capfd.readouterr().err
    # The provider is what gives up, being no more than a schema, or nobody being logged in.
    assert "azurerm" in said
    assert "Invalid" not in said
    assert "undeclared variable" not in said


def _text(name: str) -> str:
    return (MODULE / name).read_text("utf-8")


def test_defaults_are_the_programs() -> None:
    told = _text("variables.tf")
    for name, value in (("name", NAME), ("location", LOCATION)):
        found = re.search(rf'variable "{name}" {{.*?default += "(\w+)"', told, re.S)
        assert found is not None
        assert found[1] == value


def test_names_are_held_to_the_same() -> None:
    assert f'regex("^{NAMES}$", var.name)' in _text("variables.tf")


def test_outputs_are_the_configuration() -> None:
    told = re.search(r'output "deployment" {.*?value = {\n(.*?)\n  }', _text("outputs.tf"), re.S)
    assert told is not None
    names = set(re.findall(r"^    (\w+) +=", told[1], re.M))
    assert names == {field.name for field in fields(Deployment)} - {"format", "image", "version"}


def test_metrics_are_those_that_are_sent() -> None:
    wanted = set(re.findall(r'= "(azfinsim\.[\w.]+)"', _text("monitor.tf")))
    assert len(wanted) == 10
    sent = {measure.name for measure in (*telemetry.COUNTS, *telemetry.LEVELS)}
    sent |= {f"{times.name}.{figure}" for times in telemetry.TIMES for figure in FIGURES}
    assert wanted <= sent


def test_dimensions_are_those_that_are_sent() -> None:
    """Each query splits by labels that the metrics bear which it asks for."""
    named = dict(re.findall(r'(\w+) += "(azfinsim\.[\w.]+)"', _text("monitor.tf")))
    labels = {each.name: each.labels for each in (*telemetry.COUNTS, *telemetry.LEVELS)}
    labels |= {
        f"{each.name}.{figure}": each.labels for each in telemetry.TIMES for figure in FIGURES
    }
    queries = re.findall(r"<<-KQL\n(.*?)\n +KQL", _text("workbook.tf") + _text("alerts.tf"), re.S)
    split = 0
    for query in queries:
        told = {label for name in re.findall(r"local\.metric\.(\w+)", query)
                for label in labels[named[name]]}  # fmt: skip
        asked = set(re.findall(r"customDimensions\.(\w+)", query))
        assert asked <= told, query
        split += bool(asked)
    assert split == 10


def test_sizes_are_understood() -> None:
    sizes = re.findall(r'vm_size += "(\w+)"', "".join(_text(f"{p}.tfvars") for p in PROFILES))
    assert [cores_of(size) for size in sizes] == [4, 2, 16, 8]


def test_nothing_but_text_for_people_is_in_a_workbook() -> None:
    """Each panel's query names a metric by the names that are kept in one place."""
    queries = re.findall(r"<<-KQL\n(.*?)\n +KQL", _text("workbook.tf") + _text("alerts.tf"), re.S)
    assert len(queries) == 15
    for query in queries:
        assert '"azfinsim.' not in query


def _alert(name: str) -> str:
    found = re.search(rf"    {name} = {{.*?<<-KQL\n(.*?)\n +KQL", _text("alerts.tf"), re.S)
    assert found is not None
    return found[1]


def test_a_lane_that_is_empty_hides_no_other() -> None:
    """Work that stands is looked for lane by lane; it is told of by who may be gone since."""
    query = _alert("stalled")
    backlog = query[query.index("local.metric.backlog") :]
    assert backlog.index("by lane = tostring(customDimensions.lane)") < backlog.index("left > 0")
    assert "minif" not in query
    assert "timestamp > ago(15m)" in query.partition("local.metric.trades")[2]
    assert re.search(r'stalled = {[^}]*?window += "PT1H"', _text("alerts.tf"))


def test_the_bulk_pool_hides_no_dead_realtime_pool() -> None:
    """Those of the realtime pool are known by their lanes; without any there is a row of zero."""
    query = _alert("no_consumers")
    assert telemetry.slots.labels == ("lanes",)
    assert "local.metric.slots}" in query
    assert f'tostring(customDimensions.lanes) == "{PoolLane.REALTIME.lanes}"' in query
    assert PoolLane.BULK.lanes != PoolLane.REALTIME.lanes
    assert "summarize heard = count()\n" in query


def test_no_other_provider() -> None:
    """Where the registry is mirrored, each provider is one more to be let in."""
    told = json.dumps([path.read_text("utf-8") for path in MODULE.glob("*.tf")])
    assert set(re.findall(r"source  = \\\"([\w/]+)", told)) == {"hashicorp/azurerm"}
