"""What the commands of ``azfinsim pool`` share: options, and the way to Batch and the grid."""

import logging
import os
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from engine.address import Address
from engine.credentials import credential
from engine.edge import json_option, needed, optional_redis_option
from engine.errors import UsageError
from engine.grid import Grid, open_grid
from infra import config
from infra.config import Deployment
from infra.pool.local import LocalCrew, state_folder
from infra.pool.plan import Order, PoolLane, check_crew

if TYPE_CHECKING:
    from infra.pool.batch_client import BatchService

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where consumers are to be, as the user has said."""

    local: bool
    state: Path
    config: Path
    address: Address | None

    def deployment(self) -> Deployment:
        """What is deployed on Azure. Raises UsageError if that is not known."""
        try:
            return config.load(self.config)
        except UsageError as error:
            raise UsageError(f"{error}; processes of this machine are meant by --local") from None

    def server(self) -> Address:
        """The grid's server, as this machine reaches it. Raises ServerError if it is not known."""
        if self.address is None and not self.local:
            deployed = self.deployment()
            return Address.parse(deployed.redis_url, {**deployed.environment(), **os.environ})
        return needed(self.address)

    def local_crew(self, order: Order, *, may_start: bool = True) -> LocalCrew:
        """A crew of this machine. Raises ServerError if it may start some and knows no server."""
        return LocalCrew(self.state, order, self.server() if may_start else None, os.environ)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator["BatchService"]:
        """The Batch account. Raises UsageError if Azure's SDK is not installed."""
        # What Azure's SDK logs, its errors say too; without a handler it would be printed.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        asker = credential(os.environ)
        # Behind the credential, which says in a sentence that there is no SDK.
        from infra.pool.batch_client import open_batch

        async with asker, open_batch(self.deployment().batch_endpoint, asker) as service:
            yield service

    @asynccontextmanager
    async def grid(self) -> AsyncIterator[Grid]:
        """The grid. Raises ServerError if its server cannot be reached."""
        async with open_grid(self.server()) as grid:
            yield grid


def _all(*options: Option) -> Option:
    """Several options as one decorator, in their order."""

    def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            call = option(call)
        return call

    return decorate


crew_options = _all(
    click.option(
        "--lane",
        type=click.Choice([str(lane) for lane in PoolLane]),
        default=str(PoolLane.BULK),
        help="Which pool: bulk serves jobs, realtime those who wait for a price.",
    ),
    click.option("--name", help="The crew: consumers of one name.  [default: the lane]"),
)
"""--lane and --name; ``order`` takes them."""

ground_options = _all(
    click.option("--local", is_flag=True, help="Processes of this machine, not Azure Batch."),
    click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=lambda: state_folder(os.environ),
        show_default=False,
        help="Where crews of this machine are kept.  [default: ~/.local/state/azfinsim/crews]",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="What is deployed on Azure.  [default: AZFINSIM_CONFIG, or azfinsim.json]",
    ),
    optional_redis_option,
    json_option,
)
"""--local, --state, --config, --redis-url, --json; ``ground`` takes the first four."""


_GROUND = ("local", "state", "config", "address")


def as_typed() -> str:
    """The ground's options that this command was called with, for another that is to be told of.

    With a space before each. None of them is a secret: the edge takes none from the command line.
    """
    context = click.get_current_context()
    words = []
    for option in context.command.params:
        name, value = str(option.name), context.params.get(str(option.name))
        if name in _GROUND and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            text = value.url if isinstance(value, Address) else str(value)
            words += [option.opts[0], *([] if name == "local" else [shlex.quote(text)])]
    return "".join(f" {word}" for word in words)


def ground(local: bool, state: Path, config_path: Path | None, address: Address | None) -> Ground:
    """The ground of the options."""
    return Ground(local, state, config.place(os.environ, config_path), address)


def order(lane: str, name: str | None, **options: Any) -> Order:
    """The order of the options. Raises UsageError if the name will not do."""
    return Order(check_crew(name or lane), PoolLane(lane), **options)


@asynccontextmanager
async def opened(place: Ground, *, grid: bool) -> AsyncIterator[tuple["BatchService", Grid | None]]:
    """The Batch account, and the grid if it is needed."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(place.grid()) if grid else None
        yield await stack.enter_async_context(place.batch()), found
