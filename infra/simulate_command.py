"""``azfinsim pool simulate``: what the controller is worth, beside other ways to scale."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from engine.edge import DONE, json_option, print_json
from engine.errors import UsageError
from infra.controller import loads
from infra.controller.compare import CEILING, PRICE, SEEDS, SLOTS, rows, table
from infra.controller.simulate_views import explain, show


@click.command
@click.option(
    "--load",
    "names",
    type=click.Choice(loads.names()),
    multiple=True,
    help="This load alone; may be repeated.  [default: all]",
)
@click.option("--markdown", is_flag=True, help="Print the table of docs/controller.md.")
@json_option
def simulate(names: Sequence[str], markdown: bool, as_json: bool) -> int:
    """Compare the controller with other ways to scale, on recorded loads.

    Nothing is started, no server is needed.
    """
    if markdown and as_json:
        raise UsageError("--markdown and --json: must be one of them")
    found = []
    for load in map(loads.read, names or loads.names()):
        done = list(rows(load))
        found += done
        if not (markdown or as_json):
            show(load, done)
    if as_json:
        setting = {"ceiling": CEILING, "slots": SLOTS, "price": PRICE, "currency": "USD"}
        print_json({**setting, "runs": len(SEEDS), "rows": [asdict(row) for row in found]})
    elif markdown:
        click.echo(table(found), nl=False)
    else:
        explain()
    return DONE
