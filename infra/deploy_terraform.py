"""Terraform and its folder: a copy of our module, what was chosen for it, and its state.

    FOLDER/module/               our files, written anew each time, and which provider was taken
    FOLDER/settings.tfvars.json  subscription, name and region
    FOLDER/profile.tfvars        the profile
    FOLDER/own.tfvars            what the user gave besides
    FOLDER/deployers.tfvars.json  who has deployed before, and keeps his rights
    FOLDER/terraform.tfstate     the state, unless it is kept elsewhere (backend.tfbackend)

The folder is readable by its owner alone: a state holds all that a provider tells of resources.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from engine.errors import ServerError, UsageError
from infra.deploy_azure import way_out
from infra.deploy_plan import Plan
from infra.tools import Tool, ToolFailed, ended, last_words

T = TypeVar("T")

MODULE = Path(__file__).parent / "terraform"
PROFILES = ("dev", "production")
OLDEST = (1, 9, 0)
LOCK = ".terraform.lock.hcl"

CHANGED, FAILED = 2, 1
"""Exit codes of ``terraform plan -detailed-exitcode``."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen when deploying; None to leave it as it was."""

    subscription: str
    name: str | None = None
    location: str | None = None
    profile: str | None = None
    var_file: Path | None = None
    backend: Path | None = None


class Terraform:
    """Terraform at work in a folder. Raises UsageError if there is none, or it is too old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._module = self.folder / "module"
        settings = {
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_DATA_DIR": str(self.folder / ".terraform"),
            # It asks a server of its maker's for news otherwise.
            "CHECKPOINT_DISABLE": "1",
        }
        self._tool = Tool.find("terraform", environment=settings)
        self._check_version()

    def _check_version(self) -> None:
        told = self._tool.ask_json(lambda told: str(told["terraform_version"]), "version", "-json")
        found = tuple(int(number) for number in re.findall(r"\d+", told)[:3])
        if found < OLDEST:
            raise UsageError(
                f"terraform is {told}: must be {'.'.join(map(str, OLDEST))} or later "
                "(https://developer.hashicorp.com/terraform/install)"
            )

    @property
    def settings(self) -> dict[str, str]:
        """What was chosen of subscription, name and location when it was first deployed."""
        path = self.folder / "settings.tfvars.json"
        try:
            return dict(orjson.loads(path.read_bytes())) if path.exists() else {}
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"cannot read {path} ({error}): it names subscription, name and location of what "
                "is deployed from there; write it anew, or name another --dir"
            ) from None

    def write(self, choices: Choices) -> None:
        """Put our module and what was chosen into the folder.

        Raises UsageError for another subscription, name or region than what is there has: Terraform
        would destroy it all, and build it elsewhere.
        """
        before, chosen = self.settings, self._chosen(choices)
        for field, value in chosen.items():
            if before.get(field, value) != value and self._holds_something():
                raise UsageError(
                    f"{self.folder} deploys {field} {before[field]}, and this would be {value}: "
                    "name another --dir, or `azfinsim infra destroy` that one first"
                )
        try:
            self._write(choices, {**before, **chosen})
        except OSError as error:
            raise UsageError(
                f"cannot write {error.filename or self.folder}: {error.strerror}: name a --dir "
                "that you may write"
            ) from None

    def _write(self, choices: Choices, chosen: Mapping[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._copy_module()
        settings = orjson.dumps(chosen, option=orjson.OPT_INDENT_2)
        (self.folder / "settings.tfvars.json").write_bytes(settings)
        if choices.profile is not None or not (self.folder / "profile.tfvars").exists():
            profile = MODULE / f"{choices.profile or PROFILES[0]}.tfvars"
            shutil.copyfile(profile, self.folder / "profile.tfvars")
        for told, name in ((choices.var_file, "own.tfvars"), (choices.backend, _BACKEND)):
            if told is not None:
                shutil.copyfile(told, self.folder / name)
        self._write_backend()

    def _holds_something(self) -> bool:
        """Whether anything is there by its state; where a go ended before that, there is not."""
        if not self._module.exists():
            return False
        self.init()
        if not self._ask("state", "pull").strip():
            return False
        return self._ask_json(
            lambda told: any(each["mode"] == "managed" for each in told.get("resources", [])),
            *("state", "pull"),
        )

    @staticmethod
    def _chosen(choices: Choices) -> dict[str, str]:
        told = {
            "subscription": choices.subscription,
            "name": choices.name,
            "location": choices.location,
        }
        return {field: value for field, value in told.items() if value is not None}

    def _copy_module(self) -> None:
        lock = self._module / LOCK
        kept = lock.read_bytes() if lock.exists() else None
        shutil.rmtree(self._module, ignore_errors=True)
        shutil.copytree(
            MODULE, self._module, ignore=shutil.ignore_patterns("tests", "*.tfvars", ".terraform*")
        )
        if kept is not None:
            lock.write_bytes(kept)

    def _write_backend(self) -> None:
        away = (self.folder / _BACKEND).exists()
        kind = 'backend "azurerm" {}' if away else f'backend "local" {{ path = "{self._state}" }}'
        (self._module / "backend.tf").write_text(f"terraform {{\n  {kind}\n}}\n", "utf-8")

    @property
    def _state(self) -> Path:
        return self.folder / "terraform.tfstate"

    def init(self) -> None:
        """Fetch the provider, and find the state."""
        if not self._module.exists():
            raise UsageError(
                f"nothing was deployed from {self.folder}: name its folder with --dir, or "
                "`azfinsim infra deploy`"
            )
        away = self.folder / _BACKEND
        backend = [f"-backend-config={away}"] if away.exists() else []
        try:
            self._ask("init", "-no-color", *backend)
        except ToolFailed as error:
            raise _explained("terraform init", error.said) from None

    @contextmanager
    def planned(self, *, destroy: bool = False) -> Iterator[Plan]:
        """Work out what would be done, and show it; the plan can be applied within the body.

        It is removed behind that, whatever happens: it holds what a state holds.
        """
        try:
            yield self._plan(destroy)
        finally:
            self._planned.unlink(missing_ok=True)

    def _plan(self, destroy: bool) -> Plan:
        asked = ["-destroy"] if destroy else []
        code = self._tool.show(
            *(f"-chdir={self._module}", "plan", "-detailed-exitcode", f"-out={self._planned}"),
            *(*self._var_files(), *asked),
        )
        if code not in (0, CHANGED):
            raise ServerError(
                f"terraform could not make a plan ({ended(code)}): it says why above. Where that "
                "is about a login: `az login`"
            )
        self._planned.chmod(0o600)
        return self._ask_json(Plan.read, "show", "-json", str(self._planned))

    def apply(self, done: Callable[[str], None]) -> None:
        """Do what was planned; ``done`` is told each resource that is ready.

        Raises ServerError with what went wrong: what was made by then is kept in the state, and
        another go begins where this one ended.
        """
        errors: list[str] = []
        chdir = f"-chdir={self._module}"
        with self._tool.lines(chdir, "apply", "-json", str(self._planned)) as (lines, process):
            for line in lines:
                _follow(line, done, errors)
        if process.returncode < 0:
            raise ServerError(
                f"terraform apply was {ended(process.returncode)}: what it had done by then is in "
                "its state, but perhaps for the last of it. Say the same command again; if it says "
                f"that the state is locked, `terraform {chdir} force-unlock` with the ID it names"
            )
        if process.returncode:
            raise _explained("terraform apply", "; ".join(errors) or "it gave no reason")

    def output(self, name: str) -> Any:
        """An output; None if there is none, because nothing was deployed yet."""
        return self._ask_json(
            lambda told: told.get(name, {"value": None})["value"], "output", "-json"
        )

    def keep_operators(self) -> list[str]:
        """Have all who deployed before keep their rights; returns their object IDs.

        Terraform knows who deploys now alone. Who did before stands in its state, wherever that is.
        """
        before = sorted(self.output("deployers") or [])
        (self.folder / _DEPLOYERS).write_bytes(orjson.dumps({"deployers": before}))
        return before

    @property
    def _planned(self) -> Path:
        return self.folder / "plan.tfplan"

    def _var_files(self) -> list[str]:
        names = ("profile.tfvars", "own.tfvars", "settings.tfvars.json", _DEPLOYERS)
        return [f"-var-file={self.folder / n}" for n in names if (self.folder / n).exists()]

    def _ask(self, command: str, *arguments: str) -> str:
        return self._tool.ask(f"-chdir={self._module}", command, *arguments)

    def _ask_json(self, read: Callable[[Any], T], command: str, *arguments: str) -> T:
        return self._tool.ask_json(read, f"-chdir={self._module}", command, *arguments)


_BACKEND = "backend.tfbackend"
_DEPLOYERS = "deployers.tfvars.json"


def _follow(line: str, done: Callable[[str], None], errors: list[str]) -> None:
    """Take in one line of what ``terraform apply -json`` prints."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return
    match told:
        case {"type": "apply_complete", "hook": {"resource": {"addr": str(address)}}}:
            done(address)
        case {"type": "diagnostic", "@level": "error", "diagnostic": {"summary": summary, **rest}}:
            errors.append(f"{summary}: {last_words(str(rest.get('detail', '')))}")


def _explained(what: str, said: str) -> ServerError:
    advice = way_out(said)
    return ServerError(f"{what} failed: {said}" + (f"\nway out: {advice}" if advice else ""))
