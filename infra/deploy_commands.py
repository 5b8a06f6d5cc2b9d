"""``azfinsim infra deploy``, ``config`` and ``destroy``: what is on Azure, by Terraform."""

import os
import shlex
import sys
from pathlib import Path

import click

from engine.edge import DONE, json_option, note, print_json, progress
from engine.errors import ServerError, UsageError
from infra.config import Deployment, place, save
from infra.deploy import (
    FOLDER,
    LOCATION,
    NAME,
    check_choices,
    check_losses,
    configuration,
    deployed_by,
    joining,
    too_few_cores,
)
from infra.deploy_azure import account, check_room_for_account
from infra.deploy_plan import Plan
from infra.deploy_terraform import PROFILES, Choices, Terraform
from infra.tools import Tool, need

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

dir_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    help="Folder for Terraform and its state. Keep it, or use --backend.",
)
config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration.  [env var: AZFINSIM_CONFIG; default: azfinsim.json]",
)
yes_option = click.option("--yes", is_flag=True, help="Ask nothing.")


@click.command
@click.option("--profile", type=click.Choice(PROFILES), help="[default: dev, or as it was]")
@click.option("--subscription", metavar="ID", help="[default: the one that az is set to]")
@click.option("--location", metavar="REGION", help=f"[default: {LOCATION}, or as it was]")
@click.option("--name", help=f"What all names begin with.  [default: {NAME}, or as it was]")
@click.option(
    "--var-file", type=_FILE, help="Variables over those of the profile: infra/terraform/*.tfvars."
)
@click.option("--backend", type=_FILE, help="Where in Azure Storage to keep Terraform's state.")
@dir_option
@config_option
@yes_option
@json_option
def deploy(
    profile: str | None,
    subscription: str | None,
    location: str | None,
    name: str | None,
    var_file: Path | None,
    backend: Path | None,
    folder: Path,
    config_path: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Make what a grid on Azure needs, or bring it up to date.

    Shows the plan and asks before anything is done. Another go begins where one ended.
    """
    need("az", "terraform")
    az, terraform = Tool.find("az"), Terraform(folder)
    before = terraform.settings
    who = account(az, subscription or before.get("subscription"))
    note(f"{who.user}, subscription {who.name}")
    region = location or before.get("location", LOCATION)
    called = name or before.get("name", NAME)
    check_choices(az, called, region)
    terraform.write(Choices(who.subscription, called, region, profile, var_file, backend))
    terraform.init()
    deployed = terraform.output("deployment")
    if deployed is None:
        check_room_for_account(az, who.subscription, region)
    operators = terraform.keep_operators()
    with terraform.planned() as plan:
        for shortage in too_few_cores(az, plan, deployed):
            note(f"warning: {shortage}")
        for operator in joining(plan, operators):
            note(
                f"{who.user} ({operator}) becomes an operator, beside {', '.join(operators)} who "
                "deployed before and stay so: former_operators in a --var-file ends that"
            )
        check_losses(plan, yes)
        if not plan.empty:
            _confirm(plan, yes)
        _apply(terraform, plan, "deploy")
    path = place(os.environ, config_path)
    made = configuration(deployed_by(terraform), path)
    save(path, made)
    if deployed is None:
        # Only now does Azure tell the account's quotas.
        for shortage in too_few_cores(az, plan, deployed_by(terraform)):
            note(f"warning: {shortage}")
    _report(made, path, plan, as_json)
    return DONE


def _confirm(plan: Plan, yes: bool) -> None:
    for resource in plan.losing:
        note(f"all that is in {resource} would be lost")
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: look at the plan above, then say --yes")
    click.confirm("Go on?", abort=True, err=True)


def _apply(terraform: Terraform, plan: Plan, what: str) -> None:
    total = sum(plan.changes.values()) + plan.changes["replace"]  # Each once gone, once made.
    with progress(what, total) as advance:
        terraform.apply(lambda resource: advance(1, status=resource))


def _report(made: Deployment, path: Path, plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "resource_group": made.resource_group,
                "location": made.location,
                "configuration": str(path),
                "changes": dict(plan.changes),
            }
        )
        return
    told = ", ".join(f"{count} {kind}d" for kind, count in plan.changes.items() if count)
    note(f"{made.resource_group} in {made.location}: {told or 'nothing to do'}")
    note(f"{path} says where everything is; next: azfinsim infra build")


@click.command("config")
@dir_option
@config_option
@click.option("--write", is_flag=True, help="Write the configuration, instead of printing it.")
@click.option("--env", "as_env", is_flag=True, help="Print exports for a shell instead.")
def config(folder: Path, config_path: Path | None, write: bool, as_env: bool) -> int:
    """Print the configuration of what is deployed, as JSON.

    For this shell: eval "$(azfinsim infra config --env)".
    """
    if write and as_env:
        raise UsageError("--write and --env: must be one of them")
    terraform = Terraform(folder)
    terraform.init()
    path = place(os.environ, config_path)
    made = configuration(deployed_by(terraform), path)
    if write:
        save(path, made)
        note(f"wrote {path}")
    elif as_env:
        for variable, value in made.environment().items():
            click.echo(f"export {variable}={shlex.quote(value)}")
    else:
        click.echo(made.to_json(), nl=False)
    return DONE


@click.command
@dir_option
@config_option
@yes_option
@json_option
def destroy(folder: Path, config_path: Path | None, yes: bool, as_json: bool) -> int:
    """Take down all that `deploy` has made: books, queues, results and logs go with it."""
    terraform = Terraform(folder)
    terraform.init()
    with terraform.planned(destroy=True) as plan:
        if plan.empty:
            raise ServerError(f"nothing is deployed from {terraform.folder}")
        told = terraform.output("deployment")
        # Where deploying went wrong half way, there may be no outputs.
        group = told["resource_group"] if told else terraform.settings.get("name", NAME)
        if not yes:
            _confirm_by_name(group, plan)
        _apply(terraform, plan, "destroy")
    path = place(os.environ, config_path)
    if told and path.exists() and f'"{group}"' in path.read_text("utf-8"):
        path.unlink()
    if as_json:
        print_json({"resource_group": group, "changes": dict(plan.changes)})
    else:
        note(f"{group} is gone; its state stays in {terraform.folder}")
    return DONE


def _confirm_by_name(group: str, plan: Plan) -> None:
    note(f"all that is in {', '.join(plan.losing)} will be lost" if plan.losing else "")
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: look at the plan above, then say --yes")
    told = click.prompt(f"To destroy it, type its name ({group})", err=True)
    if told != group:
        raise UsageError(f"{told!r} is not its name, {group}: nothing was destroyed")
