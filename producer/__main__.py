"""``python -m producer``: the commands of this room by themselves."""

import click

from engine.edge import LazyGroup, run_command


@click.group(
    cls=LazyGroup,
    lazy={
        "book": "producer.book_commands:book",
        "job": "producer.job_commands:job",
        "dead": "producer.dead_commands:dead",
        "price": "producer.price_commands:price",
    },
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
def producer() -> None:
    """Make books of trades, submit jobs over them, and price trades at once."""


if __name__ == "__main__":
    run_command(producer, "python -m producer")
