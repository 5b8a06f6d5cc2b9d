"""Following a Dockerfile without Docker: its steps, done below a folder instead of below ``/``.

Paths of the image that its steps name are rewritten to lie in there. It knows the instructions
that ours uses, and refuses others, so that the Dockerfile cannot drift away from what is tested.
What it cannot show: the base image, whose Python the one that runs the tests stands in for.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_OF_IMAGE = re.compile(r"(?<![\w./-])/(?=(?:opt|src|var/cache|usr/local/bin)\b)")


@dataclass
class Stage:
    """What the steps of one stage have set."""

    name: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction and what stands behind it, on one line."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, told = line.partition(" ")
        yield name, told.strip()


class Following:
    """An image that is made of a context, in a folder."""

    def __init__(self, context: Path, root: Path, arguments: Mapping[str, str]) -> None:
        self._context, self.root, self._given = context, root, arguments
        self._earlier: dict[str, Path] = {}
        self.stage = Stage()
        for name, told in instructions((context / "Dockerfile").read_text("utf-8")):
            getattr(self, f"_{name.lower()}")(told)

    def inside(self, text: str) -> str:
        """The text with the image's paths where they really are."""
        return _OF_IMAGE.sub(f"{self.root}/", text)

    def environment(self) -> dict[str, str]:
        """The variables of a process in the image."""
        return {name: self.inside(value) for name, value in self.stage.environment.items()}

    def _filled(self, text: str) -> str:
        known = {**self.stage.arguments, **self.stage.environment}
        return re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)

    def _arg(self, told: str) -> None:
        name, _, default = told.partition("=")
        self.stage.arguments[name] = self._given.get(name, default)

    def _from(self, told: str) -> None:
        if self.root.exists():
            # A new stage begins with nothing; the one before stands beside it.
            beside = self.root.with_name(f"{self.root.name}-{self.stage.name}")
            self._earlier[self.stage.name] = self.root.rename(beside)
        self.root.mkdir()
        _, _, name = told.partition(" AS ")
        self.stage = Stage(name)

    def _env(self, told: str) -> None:
        self.stage.environment.update(_pairs(self._filled(told)))

    def _label(self, told: str) -> None:
        self.stage.labels.update(_pairs(self._filled(told)))

    def _workdir(self, told: str) -> None:
        self.stage.workdir = told
        if self.inside(told) != told:
            Path(self.inside(told)).mkdir(parents=True, exist_ok=True)

    def _user(self, told: str) -> None:
        self.stage.user = told

    def _stopsignal(self, told: str) -> None:
        assert told == "SIGTERM"

    def _entrypoint(self, told: str) -> None:
        self.stage.entrypoint = json.loads(told)

    def _cmd(self, told: str) -> None:
        self.stage.command = json.loads(told)

    def _copy(self, told: str) -> None:
        words = told.split()
        origin = self._context
        if words[0].startswith("--from="):
            origin = self._earlier[words.pop(0).partition("=")[2]]
        *sources, target = words
        to = Path(self.inside(os.path.normpath(Path(self.stage.workdir) / target)))
        for source in sources:
            path = origin / source.lstrip("/")
            whole = to / path.name if target.endswith("/") else to
            whole.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, whole, symlinks=True, ignore=_ignored, copy_function=_copied)
            else:
                whole.write_text(self.inside(path.read_text("utf-8")), "utf-8")
                shutil.copymode(path, whole)

    def _run(self, told: str) -> None:
        base = Path(sys.base_prefix) / "bin"
        settings = {**self.stage.arguments, **self.environment()}
        # Docker has no cache to fall back on; a test may have.
        settings.pop("PIP_NO_CACHE_DIR")
        done = subprocess.run(
            ["/bin/sh", "-c", self.inside(told)],
            cwd=self.inside(self.stage.workdir),
            env={**_of_machine(), "PATH": f"{base}:/usr/bin:/bin", **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{told}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _of_machine() -> dict[str, str]:
    """How this machine reaches a package index."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name == "HOME" or name.lower().endswith("_proxy")
    }


def _pairs(told: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(told))


def _ignored(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in ("__pycache__", ".terraform")}


def _copied(source: str, target: str) -> None:
    """Copy a file as a layer does: its time in whole seconds."""
    shutil.copy2(source, target, follow_symlinks=False)
    if not Path(target).is_symlink():
        seconds = int(Path(source).stat().st_mtime)
        os.utime(target, (seconds, seconds))
