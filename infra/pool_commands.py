"""``azfinsim pool``: consumers on this machine or on Azure Batch."""

import click

from engine.edge import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "up": "infra.pool.up_command:up",
        "down": "infra.pool.down_command:down",
        "status": "infra.pool.status_command:status",
        "control": "infra.controller_commands:control",
        "simulate": "infra.simulate_command:simulate",
    },
)
def pool() -> None:
    """Start, watch and stop consumers, on Azure Batch or with --local on this machine."""
