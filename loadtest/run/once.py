"""One measurement from start to end, for who wants its record alone: the benchmark."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import ServerError
from loadtest import record
from loadtest.run.round import Round
from loadtest.run.server import server_for
from loadtest.run.stand import check, standing
from loadtest.run.whole import record_of
from loadtest.scenario import Scenario


async def measure(
    scenario: Scenario, folder: Path, tell: Callable[[str], None] = lambda _text: None
) -> record.Record:
    """Measure a scenario on a server of its own, with logs in ``folder``.

    Raises UsageError for what cannot be run, ServerError if it is ended early.
    """
    check(scenario, None)
    started = datetime.now(UTC)
    async with (
        server_for(scenario, None, folder) as (address, own),
        standing(scenario, address, own, folder) as stand,
    ):
        round_ = Round(stand, scenario, tell)
        await round_.run()
    if round_.ended_early is not None:
        raise ServerError(round_.ended_early)
    return record_of(scenario, started, round_)
