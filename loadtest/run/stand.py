"""What a load test stands on: a server, a grid on it, and consumers, started and ended in order."""

import secrets
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import anyio

from engine.connection import Address
from engine.errors import NotPriced, ServerError, UsageError
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.outcome import Outcome
from engine.pricing import registry
from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.proxy import Proxy
from loadtest.chaos.seats import Seat, Seats, last_words
from loadtest.drivers import DRIVERS, GRID
from loadtest.generator.calls import first_of
from loadtest.generator.ledger import Made
from loadtest.generator.posts import asking_for
from loadtest.run.fleet import FleetSeats, fleet_for
from loadtest.run.fleet import check as check_fleet
from loadtest.run.server import Own
from loadtest.scenario import Scenario

LAST_WORDS = 1.0
"""Seconds beyond that in which somebody must have been told so."""

DRAIN = "5"
"""Seconds that a consumer has to finish what it is pricing."""

FIRST_PRICE = 60.0
"""Seconds that the first price of an algorithm may take: code is loaded and compiled."""


HARM: Mapping[Needs, str] = {
    Needs.RIGHTS: "would strike everybody at",
    Needs.NETWORK: "strikes networks that the test has laid itself, and not the way to",
    Needs.SERVER: "would kill the server at",
}
"""Why a fault that needs so much strikes no server of a user's."""


@dataclass(frozen=True, slots=True)
class Stand:
    """All that a load test uses."""

    address: Address
    grid: Grid
    seats: Seats
    """Of the consumers that were started for it."""
    folder: Path
    """For logs."""
    own: Own | None
    """The server, None if it is not ours."""
    fleet: FleetSeats | None = None
    """Simulated consumers, which take the jobs."""

    @property
    def alive(self) -> bool:
        """Whether the server's process lives, as far as we can know."""
        return self.own is None or self.own.server.running

    @property
    def server_pids(self) -> list[int]:
        """The server's process, where there is one here that we know of."""
        return [self.own.server.pid] if self.own is not None and self.own.server.running else []

    async def leave(self) -> None:
        """Let all that was started for it leave."""
        await self.seats.leave()
        if self.fleet is not None:
            await self.fleet.leave()

    @property
    def deserted(self) -> bool:
        """Whether all consumers have left that anybody knows of, which were the test's own."""
        own = bool(self.seats.everyone) or self.fleet is not None
        return own and not self.seats.living and (self.fleet is None or self.fleet.left)

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
    _check_faults(scenario, address)
    _check_driver(scenario, address)
    check_fleet(scenario, address)
    algorithms = set(scenario.realtime.mix if scenario.realtime else ())
    if scenario.bulk is not None:
        algorithms.add(scenario.bulk.algorithm)
    for algorithm in sorted(algorithms):
        registry.find(algorithm)


def _check_faults(scenario: Scenario, address: Address | None) -> None:
    for kind in scenario.faults.kinds if scenario.faults is not None else ():
        needs = KINDS[kind].needs
        if address is not None and (harm := HARM.get(needs)):
            raise UsageError(
                f"faults.kinds: {kind} {harm} {address}: leave it out, or leave --redis-url out to "
                "have a server of the test's own"
            )
        if needs in (Needs.NOTHING, Needs.NETWORK) and not started(scenario):
            raise UsageError(
                f"faults.kinds: {kind} strikes consumers that the test has started, and it starts "
                "none: leave it out, or have some started with --consumers"
            )


def _check_driver(scenario: Scenario, address: Address | None) -> None:
    name, driver = scenario.driver, DRIVERS[scenario.driver]
    if driver.needs and find_spec(driver.needs) is None:
        raise UsageError(
            f"driver is {name}, which needs {driver.needs.replace('_', '-')}: install it, or leave "
            "the driver out"
        )
    if driver.module != DRIVERS[GRID].module and address is not None:
        raise UsageError(
            f"driver is {name}, whose consumers want a server of their own: leave --redis-url out"
        )
    if scenario.fleet is not None and driver.module != DRIVERS[GRID].module:
        raise UsageError(f"driver is {name}, and a fleet is of the grid's consumers: leave one out")
    if scenario.bulk is not None and not driver.jobs:
        raise UsageError(f"driver is {name}, which prices no jobs: add --set bulk=false")


@asynccontextmanager
async def standing(
    scenario: Scenario, address: Address, own: Own | None, folder: Path
) -> AsyncIterator[Stand]:
    """A stand with consumers that serve; they leave with the body.

    Raises ServerError if the server cannot be reached, or nobody serves.
    """
    async with AsyncExitStack() as stack:
        grid = await stack.enter_async_context(open_grid(address))
        seats = Seats(folder, secrets.token_hex(8), seats_for(scenario, address, own))
        stack.callback(seats.kill)
        seats.fill()
        await seats.serving()
        simulated = fleet_for(scenario, address, folder, grid.partitions)
        fleet = await stack.enter_async_context(simulated)
        await _check_served(scenario, grid)
        await _first_prices(scenario, address)
        stand = Stand(address, grid, seats, folder, own, fleet)
        yield stand
        if stand.alive:
            await stand.leave()


def seats_for(scenario: Scenario, address: Address, own: Own | None = None) -> list[Seat]:
    """The places of the consumers that a scenario starts, on networks of their own if there are."""
    told, module = scenario.consumers, DRIVERS[scenario.driver].module
    options = ["--slots", str(told.slots)]
    if module == DRIVERS[GRID].module:
        options += ["--drain", DRAIN]
    if scenario.fleet is not None:
        options += ["--lane", Lane.REALTIME]
    options += told.options
    networks: Sequence[tuple[Address, Proxy | None]] = own.networks if own is not None else ()
    ways = networks or [(address, None)] * told.start
    return [
        Seat(number, *way, options, module)
        for number, way in enumerate(ways[: started(scenario)], start=1)
    ]


def started(scenario: Scenario) -> int:
    """How many consumers a scenario starts: none beside a fleet that has all there is to do."""
    idle = scenario.fleet is not None and scenario.realtime is None
    return 0 if idle else scenario.consumers.start


async def _check_served(scenario: Scenario, grid: Grid) -> None:
    if not DRIVERS[scenario.driver].ours:
        return
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
    async with asking_for(scenario.driver, address) as asking:
        for algorithm in part.mix:
            made = Made("0-0", 0.0, first_of(part, algorithm, scenario.seed))
            try:
                with anyio.fail_after(FIRST_PRICE + LAST_WORDS):
                    reply = await (await asking.ask(made, FIRST_PRICE))
            except ServerError:
                raise
            except (NotPriced, TimeoutError) as error:
                _refuse(algorithm, str(error) or f"nobody answers in {FIRST_PRICE:g} s")
            if reply.record["outcome"] != Outcome.PRICED:
                _refuse(algorithm, str(reply.record.get("reason")))


def _refuse(algorithm: str, why: str) -> NoReturn:
    raise UsageError(
        f"realtime.mix: a first trade of {algorithm} is not priced, so the test is not begun: {why}"
    ) from None
