"""What deploying, telling and destroying have in common: checks, and the configuration."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ServerError, UsageError
from infra.config import Deployment, load
from infra.deploy_azure import (
    check_location,
    cores_allowed,
    cores_wanted,
    shortages,
)
from infra.deploy_plan import Plan
from infra.deploy_terraform import Terraform
from infra.tools import Tool

NAME, LOCATION = "azfinsim", "westeurope"
"""What is chosen for who chooses nothing; as in infra/terraform/variables.tf."""

NAMES = "[a-z][a-z0-9]{2,11}"
"""What a name may be, likewise."""

FOLDER = Path("azfinsim-terraform")


def check_choices(az: Tool, name: str, location: str) -> None:
    """What can be said before anything is written down. Raises UsageError."""
    if not re.fullmatch(NAMES, name):
        raise UsageError(
            f"--name is {name!r}: must be 3 to 12 characters, a to z and 0 to 9, a letter first"
        )
    check_location(az, location)


def too_few_cores(az: Tool, plan: Plan, deployed: Mapping[str, Any] | None) -> list[str]:
    """What to say where quotas are smaller than the pools may grow.

    Batch tells an account's quotas only once it is there: before the first deployment nothing.
    """
    if deployed is None or "cores" not in plan.outputs:
        return []
    account = (urlsplit(deployed["batch_endpoint"]).hostname or "").partition(".")[0]
    allowed = cores_allowed(az, deployed["subscription"], deployed["resource_group"], account)
    return list(shortages(cores_wanted(plan.outputs["cores"]), allowed))


def check_losses(plan: Plan, yes: bool) -> None:
    """Raises UsageError if data would be lost, and nobody is asked about it."""
    if plan.losing and yes:
        raise UsageError(
            f"this would replace or delete {', '.join(plan.losing)}, with all that is in there: "
            "look at the plan above, and say so yourself, without --yes"
        )


def joining(plan: Plan, before: Sequence[str]) -> list[str]:
    """Who would have rights by deploying, where others have them by that already: object IDs."""
    return sorted({*plan.outputs.get("deployers", ())} - {*before}) if before else []


def deployed_by(terraform: Terraform) -> dict[str, Any]:
    """Where everything is. Raises ServerError if nothing was deployed."""
    told = terraform.output("deployment")
    if told is None:
        raise ServerError(
            f"nothing is deployed from {terraform.folder}: `azfinsim infra deploy`, or name "
            "another --dir"
        )
    return dict(told)


def configuration(deployed: Mapping[str, Any], path: Path) -> Deployment:
    """The configuration of what is deployed, with the image that the file at ``path`` names.

    Before the first build that is the one that `infra build` will push for this version.
    """
    here = version("azfinsim")
    image = f"{deployed['registry_server']}/azfinsim:{here}"
    if path.exists():
        before = load(path)
        if before.registry_server == deployed["registry_server"]:
            image = before.image
    return Deployment.from_values({**deployed, "image": image, "version": here}, "the deployment")
