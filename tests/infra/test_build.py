"""``azfinsim infra build``, beside tools that are played."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.config import Deployment, load, save
from tests.infra.fake_tools import OUTPUTS, FakeTools
from tests.infra.test_deploy import run

REGISTRY = OUTPUTS["registry_server"]


@pytest.fixture
def tools(tmp_path: Path) -> FakeTools:
    made = FakeTools(tmp_path / "tools", ("az", "docker", "git"))
    made.answer("az", "^acr ")
    made.answer("docker", "^(build|push) ")
    made.answer("git", "^rev-parse", "0123456789ab\n")
    made.answer("git", "^status", "")
    made.answer("git", "^log", "1790000000\n")
    values = {**OUTPUTS, "image": "old", "version": "1"}
    save(tmp_path / "tools" / "azfinsim.json", Deployment.from_values(values, "this"))
    return made


TAG = f"{version('azfinsim')}-0123456789ab"


def test_azure_builds_it(tools: FakeTools) -> None:
    ended = run(tools, "build", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["image"] == f"{REGISTRY}/azfinsim:{TAG}"
    assert load(tools.path.parent / "azfinsim.json").image == f"{REGISTRY}/azfinsim:{TAG}"
    (call,) = tools.called("az acr build")
    told = str(call)
    assert f"--image azfinsim:{TAG} --image azfinsim:{version('azfinsim')} " in told
    assert "--build-arg COMMIT=0123456789ab" in told
    assert "--build-arg SOURCE_DATE_EPOCH=1790000000" in told
    assert "--platform linux/amd64" in told


def test_docker_builds_it(tools: FakeTools) -> None:
    assert run(tools, "build", "--docker").returncode == 0
    done = [str(call) for call in tools.calls if call.name in ("az", "docker")]
    assert [word.split()[:2] for word in done] == [
        ["docker", "build"],
        ["az", "acr"],
        ["docker", "push"],
        ["docker", "push"],
    ]
    assert done[2].endswith(f" {REGISTRY}/azfinsim:{TAG}")


def test_what_is_in_no_commit(tools: FakeTools) -> None:
    tools.answer("git", "^status", " M engine/trade.py\n")
    ended = run(tools, "build")
    assert "is in no commit" in ended.stderr
    assert load(tools.path.parent / "azfinsim.json").image.endswith(f"{TAG}-dirty")


def test_no_version_control(tools: FakeTools) -> None:
    tools.answer("git", "", complains="fatal: not a git repository", code=128)
    assert run(tools, "build").returncode == 0
    assert load(tools.path.parent / "azfinsim.json").image.endswith("-unversioned")


@pytest.mark.parametrize(
    ("name", "told", "options", "words"),
    [
        ("az", "^acr build", [], "az acr build failed (exit code 1)"),
        ("docker", "^build", ["--docker"], "docker build failed (exit code 1)"),
        ("az", "^acr login", ["--docker"], "az failed (exit code 1): boom"),
        ("docker", "^push", ["--docker"], "docker push failed (exit code 1)"),
    ],
)
def test_it_fails(tools: FakeTools, name: str, told: str, options: list[str], words: str) -> None:
    tools.answer(name, told, complains="boom\n", code=1)
    ended = run(tools, "build", *options)
    assert ended.returncode == 3
    assert "boom" in ended.stderr
    assert words in ended.stderr
    # The configuration still names what there is.
    assert load(tools.path.parent / "azfinsim.json").image == "old"


def test_no_source(tools: FakeTools) -> None:
    ended = run(tools, "build", "--source", str(tools.path))
    assert ended.returncode == 2
    assert "holds no Dockerfile" in ended.stderr
