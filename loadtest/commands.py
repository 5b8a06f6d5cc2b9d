"""The group ``loadtest``, which imports a command's module only when it is called."""

import click

from engine.edge import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "run": "loadtest.run.command:run",
        "join": "loadtest.run.command:join",
        "report": "loadtest.report_commands:report",
        "compare": "loadtest.report_commands:compare",
        "bench": "loadtest.bench:bench",
        "accuracy": "loadtest.accuracy:accuracy",
        "chaos": "loadtest.chaos.command:chaos",
        "encodings": "loadtest.encodings:encodings",
        "fleet": "loadtest.fleet_commands:fleet",
    },
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
def loadtest() -> None:
    """Measure the grid on this machine."""
