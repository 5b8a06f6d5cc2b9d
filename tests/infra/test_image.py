"""The image, made by following the Dockerfile, and at work in a folder: read-only, no root."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import FreshServer
from tests.infra.dockerfile import Following, Stage

SOURCE = Path(__file__).parents[2]


class Image:
    """One that can be run."""

    def __init__(self, followed: Following) -> None:
        self.root = followed.root
        self.scratch = followed.root.with_name("scratch")
        self.scratch.mkdir(mode=0o755)
        self.stage: Stage = followed.stage
        self.environment = followed.environment()

    def start(
        self, command: tuple[str, ...], environment: Mapping[str, str], *, pid1: bool = False
    ) -> "subprocess.Popen[str]":
        """Run a command of the image, as nobody who may write there."""
        beyond = _AS_PID_1 if pid1 and _allowed([*_AS_PID_1, "true"]) else []
        # All that may be written to; and what one run leaves there is not for the next.
        scratch = tempfile.mkdtemp(dir=self.scratch)
        Path(scratch).chmod(0o777)
        return subprocess.Popen(
            [*beyond, *self._unprivileged(), *command],
            cwd=self.stage.workdir,
            env={**self.environment, "HOME": scratch, "TMPDIR": scratch, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        """The exit code of a command of the image, and what it printed."""
        with self.start(command, environment) as process:
            printed, _ = process.communicate(timeout=90)
        return process.returncode, printed

    def _unprivileged(self) -> list[str]:
        if os.getuid():
            return []
        # By a shell: setpriv itself still has root's powers when it starts a program.
        python = f"{self.root}/opt/azfinsim/bin/python"
        reached = _allowed(["setpriv", *_AS_USER, "sh", "-c", f"{python} -c ''"])
        # Where the Python beneath is in root's own folder: root, but without root's powers.
        return ["setpriv", *(_AS_USER if reached else ["--bounding-set=-all"])]

    def files(self) -> set[Path]:
        """All that is there."""
        return set(self.root.rglob("*"))


_AS_USER = ["--reuid=10001", "--regid=10001", "--clear-groups"]
_AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _allowed(command: list[str]) -> bool:
    return not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not tmp_path: nobody but its owner may enter that.
    folder = Path(tempfile.mkdtemp(prefix="azfinsim-image-"))
    folder.chmod(0o755)
    told = {"VERSION": "1.2.3", "COMMIT": "0123456789ab", "SOURCE_DATE_EPOCH": "1790000000"}
    try:
        followed = Following(SOURCE, folder / "root", told)
        subprocess.run(["chmod", "-R", "a-w", str(followed.root)], check=True)
        yield Image(followed)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
        shutil.rmtree(folder)


def test_what_it_says_of_itself(image: Image) -> None:
    assert image.stage.labels["org.opencontainers.image.version"] == "1.2.3"
    assert image.stage.labels["org.opencontainers.image.revision"] == "0123456789ab"
    assert image.stage.entrypoint == ["azfinsim"]
    assert image.stage.user == "10001:10001"
    code, printed = image.run("azfinsim", *image.stage.command)
    assert (code, "Commands:" in printed) == (0, True)


def test_all_files_bear_the_commits_time(image: Image) -> None:
    # But those that the last stage takes from the source.
    times = {path.lstat().st_mtime for path in (image.root / "opt").rglob("*") if path.is_file()}
    assert times == {1790000000}


def test_no_file_is_writable(image: Image) -> None:
    code, _ = image.run("python", "-c", f"open('{image.root}/opt/azfinsim/new', 'w')")
    assert code == 1


def test_a_job_in_it(image: Image, fresh_server: FreshServer) -> None:
    server = fresh_server(port=0)
    where = {"AZFINSIM_REDIS_URL": server.url}
    before = image.files()
    # Numba then says what it finds in its cache, and what it does not.
    watched = {**where, "NUMBA_DEBUG_CACHE": "1"}
    with image.start(("azfinsim", "consume"), watched, pid1=True) as consumer:
        assert image.run("azfinsim", "book", "generate", "--count", "500", **where)[0] == 0
        code, printed = image.run(
            *("azfinsim", "job", "submit", "--algorithm", "deltavega", "--paths", "100"),
            *("--wait", "--json"),
            **where,
        )
        assert code == 0, printed
        assert '"priced":500' in printed
        health = ("python", "-m", "infra.image.health")
        assert image.run(*health, **where) == (0, "")
        _leave(consumer)
        said, _ = consumer.communicate(timeout=30)
    assert consumer.returncode == 0, said
    assert "data loaded" in said
    assert "data saved" not in said
    assert image.files() == before
    assert image.run(*health, **where)[0] == 1
    assert image.run(*health, AZFINSIM_REDIS_URL="redis://127.0.0.1:1")[0] == 3


def _leave(consumer: "subprocess.Popen[str]") -> None:
    """Have it leave, as Docker does: SIGTERM to the process that is number 1 in there."""
    inner = Path(f"/proc/{consumer.pid}/task/{consumer.pid}/children").read_text().split()
    unshared = Path(f"/proc/{consumer.pid}/comm").read_text().strip() == "unshare"
    os.kill(int(inner[0]) if unshared else consumer.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("sse2", ""),
        ("avx2 bmi1 bmi2 f16c fma abm movbe", "x86-64-v3"),
        ("avx2 bmi1 bmi2 f16c fma abm movbe avx512f", "x86-64-v3"),
        ("avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"),
    ],
)
def test_which_machine_code_is_chosen(flags: str, chosen: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu {flags}\nbugs : x\n")
    script = (SOURCE / "infra" / "image" / "on-this-cpu").read_text()
    (tmp_path / "script").write_text(script.replace("/proc/cpuinfo", str(tmp_path / "cpuinfo")))
    command = ["sh", str(tmp_path / "script"), "sh", "-c", 'echo "${NUMBA_CPU_NAME:-}"']
    shown = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert shown.stdout.strip() == chosen


def test_both_machine_codes_are_there(image: Image) -> None:
    told = "from engine.pricing.warm import warm; warm()"
    for cpu in ("x86-64-v3", "x86-64-v4"):
        # Loading is not running: what this processor lacks is not asked of it.
        if cpu == "x86-64-v4" and "avx512vl" not in Path("/proc/cpuinfo").read_text():
            continue
        code, said = image.run(
            "on-this-cpu", "python", "-c", told, AZFINSIM_CPU=cpu, NUMBA_DEBUG_CACHE="1"
        )
        assert code == 0, said
        assert "data loaded" in said
        assert "data saved" not in said
