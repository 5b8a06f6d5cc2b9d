"""What a load test stands on: a server, a grid on it, and consumers, started and ended in order."""

import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.connection import Address
from engine.embedded import EmbeddedServer, ServerSettings
from engine.errors import NotPriced, ServerError, UsageError
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.pricing import registry
from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.seats import Seat, Seats, last_words
from loadtest.generator.calls import request_of, trades_for
from loadtest.scenario import Scenario
from producer.client import connect

DRAIN = "5"
"""Seconds that a consumer has to finish what it is pricing."""

FIRST_PRICE = 60.0
"""Seconds that the first price of an algorithm may take: code is loaded and compiled."""


@dataclass(frozen=True, slots=True)
class Stand:
    """All that a load test uses."""

    address: Address
    grid: Grid
    seats: Seats
    """Of the consumers that were started for it."""
    folder: Path
    """For logs."""
    server: EmbeddedServer | None
    """None if it is not ours."""

    @property
    def alive(self) -> bool:
        """Whether the server's process lives, as far as we can know."""
        return self.server is None or self.server.running

    def unexplained(self, *, killing: bool) -> list[str]:
        """What is to be said of consumers that have ended and that nobody told to.

        With ``killing``, what has died of SIGKILL has died of a fault.
        """
        expected = (None, -signal.SIGKILL) if killing else (None,)
        return [
            f"consumer {number} has ended with code {consumer.code}: {last_words(consumer)}"
            for number, consumer in enumerate(self.seats.everyone, start=1)
            if consumer.code not in expected and not consumer.told
        ]


def check(scenario: Scenario, address: Address | None) -> None:
    """Raise UsageError for what a scenario asks of a server that is not there for that."""
    if scenario.consumers.start == 0 and address is None:
        raise UsageError(
            "consumers.start is 0: say with --redis-url which grid's consumers are to be measured, "
            "or have some started"
        )
    for kind in scenario.faults.kinds if scenario.faults is not None else ():
        if KINDS[kind].needs is Needs.RIGHTS and address is not None:
            raise UsageError(
                f"faults.kinds: {kind} would strike everybody at {address}: leave it out, or leave "
                "--redis-url out to have a server of the test's own"
            )
        if KINDS[kind].needs is Needs.NOTHING and scenario.consumers.start == 0:
            raise UsageError(f"faults.kinds: {kind} strikes consumers that the test has started")
    algorithms = set(scenario.realtime.mix if scenario.realtime else ())
    if scenario.bulk is not None:
        algorithms.add(scenario.bulk.algorithm)
    for algorithm in sorted(algorithms):
        registry.find(algorithm)


@contextmanager
def server_for(
    address: Address | None, folder: Path
) -> Iterator[tuple[Address, EmbeddedServer | None]]:
    """The server at an address, or one that lives as long as the body runs."""
    if address is not None:
        yield address, None
        return
    with EmbeddedServer(ServerSettings(log_path=folder / "server.log")) as server:
        yield Address.parse(server.url), server


@asynccontextmanager
async def standing(
    scenario: Scenario, address: Address, server: EmbeddedServer | None, folder: Path
) -> AsyncIterator[Stand]:
    """A stand with consumers that serve; they leave with the body.

    Raises ServerError if the server cannot be reached, or nobody serves.
    """
    async with AsyncExitStack() as stack:
        grid = await stack.enter_async_context(open_grid(address))
        told = scenario.consumers
        options = ["--slots", str(told.slots), "--drain", DRAIN, *told.options]
        seats = Seats(
            folder,
            secrets.token_hex(8),
            [Seat(number + 1, address, None, options) for number in range(told.start)],
        )
        stack.callback(seats.kill)
        seats.fill()
        await seats.serving()
        await _check_served(scenario, grid)
        await _first_prices(scenario, address)
        yield Stand(address, grid, seats, folder, server)
        if server is None or server.running:
            await seats.leave()


async def _check_served(scenario: Scenario, grid: Grid) -> None:
    lanes = {Lane.REALTIME} if scenario.realtime is not None else set()
    if scenario.bulk is not None:
        lanes.add(Lane(scenario.bulk.lane))
    living = await grid.roster.living()
    served = {lane for each in living if not each.draining for lane in each.lanes}
    if missing := sorted(lanes - served):
        raise ServerError(
            f"no consumer serves the {' or the '.join(missing)} lane: start one with `azfinsim "
            "consume`, or have the test start some with --consumers"
        )


async def _first_prices(scenario: Scenario, address: Address) -> None:
    """Have a trade of each algorithm priced, which finds out what nobody could price.

    Raises UsageError that says why, or ServerError.
    """
    if (part := scenario.realtime) is None:
        return
    async with connect(address) as client:
        for algorithm in part.mix:
            [trade] = trades_for(algorithm, scenario.seed, 1)
            asked = request_of(part, algorithm, scenario.seed)
            try:
                await client.price(trade, deadline=FIRST_PRICE, **asked)
            except ServerError:
                raise
            except NotPriced as error:
                raise UsageError(
                    f"realtime.mix: a first trade of {algorithm} is not priced, so the test is not "
                    f"begun: {error}"
                ) from None
