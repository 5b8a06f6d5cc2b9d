"""The ``azfinsim`` command, which mounts each room's commands."""

from importlib.metadata import version

import click

from engine.edge import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "demo": "azfinsim.demo:demo",
        "serve": "azfinsim.serve:serve",
        "book": "producer.book_commands:book",
        "job": "producer.job_commands:job",
        "price": "producer.price_commands:price",
        "dead": "producer.dead_commands:dead",
        "consume": "consumer.commands:consume",
        "loadtest": "loadtest.commands:loadtest",
        "pool": "infra.pool_commands:pool",
        "infra": "infra.commands:infra",
        "top": "azfinsim.top.command:top",
    },
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(version("azfinsim"), prog_name="azfinsim")
def azfinsim() -> None:
    """Price a book of trades on a grid of machines.

    `azfinsim demo` shows everything at once. Exit codes: 0 done; 1 done but short (rejected, dead,
    missing); 2 wrong usage; 3 a server cannot be reached or refuses; 130 ended by Ctrl-C, but 0
    where that is the way to end: serve, consume, pool control and top.
    """
