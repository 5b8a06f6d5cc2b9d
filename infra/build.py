"""The image: what it is called, and what builds it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

from engine.errors import UsageError
from infra.config import Deployment
from infra.tools import Tool, ToolFailed

HERE = Path(__file__).parents[1]
REPOSITORY = "azfinsim"
PLATFORM = "linux/amd64"


@dataclass(frozen=True, slots=True)
class Source:
    """What an image is built from."""

    folder: Path
    version: str
    commit: str
    """Empty if it is under no version control."""
    uncommitted: str
    """A hash of what goes into the image, if no commit holds all of it; empty else."""
    seconds: int
    """When it was last changed, since 1970: what all files in the image bear as their time."""

    @property
    def tag(self) -> str:
        """Version and commit: another source has another tag."""
        return f"{self.version}-{self.revision or 'unversioned-' + self.uncommitted}"

    @property
    def revision(self) -> str:
        """What the image says of where it comes from; empty if that is under no version control."""
        if self.commit and self.uncommitted:
            return f"{self.commit}-dirty-{self.uncommitted}"
        return self.commit

    @property
    def arguments(self) -> Mapping[str, str]:
        """Of the Dockerfile."""
        return {
            "VERSION": self.version,
            "COMMIT": self.revision,
            "SOURCE_DATE_EPOCH": str(self.seconds),
        }


def source(folder: Path, version: str) -> Source:
    """Look at a folder. Raises UsageError if it holds no Dockerfile."""
    if not (folder / "Dockerfile").exists():
        raise UsageError(
            f"{folder} holds no Dockerfile: name the folder of azfinsim's source with --source"
        )
    git = Tool.find("git", folder)
    try:
        commit = git.ask("rev-parse", "--short=12", "HEAD").strip()
        dirty = git.ask("status", "--porcelain").strip()
        seconds = int(git.ask("log", "-1", "--format=%ct"))
    except ToolFailed:
        return Source(folder, version, "", contents(folder), 0)
    return Source(folder, version, commit, contents(folder) if dirty else "", seconds)


def contents(folder: Path) -> str:
    """A hash of the files that go into the image, by the forms of rules that .dockerignore has."""
    told = folder / ".dockerignore"
    rules = told.read_text("utf-8").splitlines() if told.exists() else []
    taken = sorted(rule[1:] for rule in rules if rule.startswith("!")) or ["."]
    left_out = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    found = sha256()
    for top in (folder / name for name in taken):
        for path in sorted([top, *top.rglob("*")]):
            name = path.relative_to(folder)
            if any(fnmatch(part, rule) for part in name.parts for rule in left_out):
                continue
            if path.is_symlink():
                kind, data = b"link", os.fsencode(path.readlink())
            elif path.is_file():
                kind = b"program" if path.stat().st_mode & 0o111 else b"file"
                data = path.read_bytes()
            else:
                continue
            for part in (kind, os.fsencode(name), data):
                found.update(b"%d:%b" % (len(part), part))
    return found.hexdigest()[:12]


def by_azure(of: Source, to: Deployment) -> list[str]:
    """What ``az`` is to be told: the registry builds it, and no Docker is needed here."""
    return [
        *("acr", "build", "--registry", to.registry, "--subscription", to.subscription),
        *("--image", f"{REPOSITORY}:{of.tag}", "--image", f"{REPOSITORY}:{of.version}"),
        *("--platform", PLATFORM, "--file", str(of.folder / "Dockerfile")),
        *_arguments(of),
        str(of.folder),
    ]


def by_docker(of: Source, to: Deployment) -> list[str]:
    """What ``docker`` is to be told."""
    tags = [f"{to.registry_server}/{REPOSITORY}:{tag}" for tag in (of.tag, of.version)]
    return [
        *("build", "--platform", PLATFORM, "--file", str(of.folder / "Dockerfile")),
        *(word for tag in tags for word in ("--tag", tag)),
        *_arguments(of),
        str(of.folder),
    ]


def _arguments(of: Source) -> list[str]:
    pairs = (f"{name}={value}" for name, value in of.arguments.items())
    return [word for pair in pairs for word in ("--build-arg", pair)]
