"""``azfinsim infra build``: the image that Batch tasks run."""

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

from engine.edge import DONE, json_option, note, print_json
from engine.errors import ServerError
from infra.build import HERE, REPOSITORY, Source, by_azure, by_docker, source
from infra.config import Deployment, load, place, save
from infra.deploy_commands import config_option
from infra.tools import Tool, ended, need


@click.command
@click.option(
    "--source",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=HERE,
    show_default=False,
    help="azfinsim's source, with its Dockerfile.  [default: where it is installed from]",
)
@click.option("--docker", is_flag=True, help="Build by Docker on this machine, and push.")
@config_option
@json_option
def build(folder: Path, docker: bool, config_path: Path | None, as_json: bool) -> int:
    """Build the image and put it into the registry, then into the configuration.

    By `az acr build`, which takes the source and builds it in Azure.
    """
    path = place(os.environ, config_path)
    deployment = load(path)
    of = source(folder, version("azfinsim"))
    if of.uncommitted:
        note(f"warning: {folder} holds what is in no commit: the tag, {of.tag}, tells it by a hash")
    _by_docker(of, deployment) if docker else _by_azure(of, deployment)
    image = f"{deployment.registry_server}/{REPOSITORY}:{of.tag}"
    save(path, replace(deployment, image=image))
    if as_json:
        print_json({"image": image, "configuration": str(path)})
    else:
        note(f"{image} is in {path}; consumers that are started from now on run it")
    return DONE


def _by_azure(of: Source, deployment: Deployment) -> None:
    if code := Tool.find("az").show(*by_azure(of, deployment)):
        raise ServerError(
            f"az acr build failed ({ended(code)}): it says why above. If the registry is closed "
            "to the outside, build with --docker from inside the network"
        )


def _by_docker(of: Source, deployment: Deployment) -> None:
    need("docker", "az")  # Not only after minutes of building.
    docker = Tool.find("docker")
    if code := docker.show(*by_docker(of, deployment)):
        raise ServerError(f"docker build failed ({ended(code)}): it says why above")
    Tool.find("az").ask(
        *("acr", "login", "--name", deployment.registry),
        *("--subscription", deployment.subscription),
    )
    for tag in (of.tag, of.version):
        if code := docker.show("push", f"{deployment.registry_server}/{REPOSITORY}:{tag}"):
            raise ServerError(f"docker push failed ({ended(code)}): it says why above")
