"""``azfinsim top``: the command, what it asks and what it tells."""

import sys

import anyio
import click
from rich.console import Console

from azfinsim.top.live import watch
from azfinsim.top.look import Lookout
from azfinsim.top.sample import Pace, Sample, pace, report
from azfinsim.top.views import picture
from engine.connection import Address
from engine.edge import json_option, print_json, redis_option, run_async
from engine.grid import open_grid

WIDE = 200
"""Columns where there is no terminal: nothing need be cut short."""


@click.command
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    metavar="SECONDS",
    help="Between looks.",
)
@click.option("--once", is_flag=True, help="Print what is seen, once; so too without a terminal.")
@redis_option
@json_option
def top(interval: float, once: bool, address: Address, as_json: bool) -> None:
    """Watch a grid at work: lanes, jobs, consumers and the server.

    q or Ctrl-C leaves. --once and --json look twice, an interval apart, as rates take two looks,
    and print to standard output.
    """
    console = Console(highlight=False)
    lasting = sys.stdout.isatty() and not console.is_dumb_terminal
    if lasting and not once and not as_json:
        run_async(_watch, address, console, interval)
        return
    seen, rates = run_async(_look_twice, address, interval)
    if as_json:
        print_json(report(seen, rates))
    else:
        console = console if lasting else Console(highlight=False, width=WIDE, no_color=True)
        console.print(picture(seen, rates, str(address)))


async def _watch(address: Address, console: Console, interval: float) -> None:
    async with open_grid(address) as grid:
        await watch(Lookout(grid), console, str(address), interval)


async def _look_twice(address: Address, interval: float) -> tuple[Sample, Pace]:
    async with open_grid(address) as grid:
        lookout = Lookout(grid)
        first = await lookout.look()
        await anyio.sleep(interval)
        second = await lookout.look()
    return second, pace(first, second)
