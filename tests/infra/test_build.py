"""``azfinsim infra build``, beside tools that are played."""

import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.build import HERE, source
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
    assert re.search(
        f":{TAG}-dirty-[0-9a-f]{{12}}$", load(tools.path.parent / "azfinsim.json").image
    )
    told = str(tools.called("az acr build")[0])
    assert re.search("--build-arg COMMIT=0123456789ab-dirty-[0-9a-f]{12} ", told)


def test_what_differs_is_tagged_apart(tmp_path: Path) -> None:
    """By the real git: where nothing is committed yet, and where more is than was committed."""
    kernel = tmp_path / "engine" / "kernel.py"
    kernel.parent.mkdir()
    (tmp_path / "Dockerfile").touch()
    shutil.copyfile(HERE / ".dockerignore", tmp_path / ".dockerignore")

    def tag(text: str) -> str:
        kernel.write_text(text)
        return source(tmp_path, "1").tag

    def git(*words: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert re.fullmatch("1-unversioned-[0-9a-f]{12}", tag("a"))
    assert tag("a") != tag("b")
    git("init")
    git("add", "--all")
    git("commit", "--message", "First")
    assert re.fullmatch("1-[0-9a-f]{12}", tag("b"))
    first = tag("c")
    assert re.fullmatch("1-[0-9a-f]{12}-dirty-[0-9a-f]{12}", first)
    assert tag("d") != first
    (kernel.parent / "new.py").touch()
    assert tag("c") != first
    (kernel.parent / "new.py").unlink()
    kernel.chmod(0o755)
    assert tag("c") != first
    kernel.chmod(0o644)
    (kernel.parent / "link.py").symlink_to("kernel.py")
    linked = tag("c")
    (kernel.parent / "link.py").unlink()
    (kernel.parent / "link.py").symlink_to("other.py")
    assert len({first, linked, tag("c")}) == 3
    (kernel.parent / "link.py").unlink()
    # What does not go into the image makes no other one.
    (kernel.parent / "__pycache__").mkdir()
    (kernel.parent / "__pycache__" / "kernel.pyc").write_text("of another Python")
    (tmp_path / "notes.txt").write_text("of mine")
    assert tag("c") == first


def test_no_version_control(tools: FakeTools) -> None:
    tools.answer("git", "", complains="fatal: not a git repository", code=128)
    assert run(tools, "build").returncode == 0
    image = load(tools.path.parent / "azfinsim.json").image
    assert re.search("-unversioned-[0-9a-f]{12}$", image)


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
