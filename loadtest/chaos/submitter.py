"""``python -m loadtest.chaos.submitter``: submits one job, in a process that may be killed.

The job is told as JSON in the environment. Run again it goes on with what was cut short, exactly as
``azfinsim job submit`` does, which has no words for the options of this room's pricer.
"""

import os

import click

from engine.connection import Address
from engine.edge import redis_option, run_async, run_command
from engine.grid import open_grid
from engine.job import Job
from producer.submit import submit

JOB = "AZFINSIM_CHAOS_JOB"


@click.command()
@redis_option
def main(address: Address) -> None:
    """Submit the job."""
    run_async(_submit, address)


async def _submit(address: Address) -> None:
    async with open_grid(address) as grid:
        await submit(grid, Job.from_json(os.environ[JOB].encode()))


if __name__ == "__main__":
    run_command(main, "python -m loadtest.chaos.submitter")
