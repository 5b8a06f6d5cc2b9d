"""``azfinsim infra``: what concerns the servers and machines that a grid runs on."""

import click

from engine.edge import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "deploy": "infra.deploy_commands:deploy",
        "build": "infra.build_commands:build",
        "config": "infra.deploy_commands:config",
        "destroy": "infra.deploy_commands:destroy",
        "check": "infra.check_command:check",
        "acl": "infra.acl_command:acl_command",
    },
)
def infra() -> None:
    """Look after what a grid runs on."""
