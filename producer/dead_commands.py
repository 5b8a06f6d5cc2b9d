"""``azfinsim dead``: the trades that were given up, and what is to become of them.

What may live here: the commands, what they ask and what they tell. The work is in the other files.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from engine.connection import Address
from engine.edge import (
    DONE,
    SHORT,
    Group,
    json_option,
    note,
    print_json,
    progress,
    redis_option,
    run_async,
)
from engine.errors import ServerError, UsageError
from engine.grid import Grid, open_grid
from engine.job import Job
from engine.letter import Letter
from producer.options import interrupted
from producer.replay import for_reason
from producer.replay import replay as replay_trades
from producer.submit import find

F = TypeVar("F", bound=Callable[..., Any])

Done = dict[str, int]
"""By job, of how many trades something was done."""

job_option = click.option("--job", "name", metavar="JOB", help="Only those of this job.")
all_option = click.option("--all", "all_jobs", is_flag=True, help="Those of all jobs.")
reason_option = click.option(
    "--reason", metavar="TEXT", help="Only those whose reason has these words."
)


@click.group(cls=Group)
def dead() -> None:
    """See the trades that were given up, and have them priced again.

    A trade is dead if it has killed its process again and again, or taken longer than its job's
    --trade-timeout. One that cannot be priced is rejected: `azfinsim job results` says why.
    """


@dead.command(name="list")
@job_option
@reason_option
@click.option("--traceback", is_flag=True, help="Show where each was when it died.")
@redis_option
@json_option
def list_dead(
    name: str | None, reason: str | None, traceback: bool, address: Address, as_json: bool
) -> None:
    """List dead trades, each with its reason and the consumer that has given it up."""
    found = run_async(_list, address, name, reason)
    if as_json:
        print_json({"dead": [{"job": job, **asdict(letter)} for job, letter in found]})
        return
    for job, letter in found:
        # A line each, for grep.
        why = " ".join(letter.reason.split())
        note(f"job {job}, trade {letter.trade}: {why} ({_by_whom(letter)})")
        if traceback:
            note(letter.traceback or "it was killed before it could tell where it was")
    if not found:
        note("nothing is dead" if name is None and reason is None else "no such trade is dead")


def _by_whom(letter: Letter) -> str:
    times = "once" if letter.attempts == 1 else f"{letter.attempts} times"
    return f"begun {times}, given up by {letter.consumer}"


async def _list(address: Address, name: str | None, reason: str | None) -> list[tuple[str, Letter]]:
    async with open_grid(address) as grid:
        return [
            (job.name, letter)
            for job, letters in await _found(grid, name, reason)
            for letter in letters
        ]


@dead.command
@job_option
@all_option
@reason_option
@redis_option
@json_option
def replay(
    name: str | None, all_jobs: bool, reason: str | None, address: Address, as_json: bool
) -> int:
    """Have dead trades priced again, as part of their jobs.

    Each apart from the others, for it may kill again. What is queued or running of these jobs is
    discarded and done again. Exit code 1 if a job is left out, with the reason.
    """
    _check_which(name, all_jobs)
    done, left_out = run_async(_replay, address, name, reason)
    _tell("replayed", done, as_json)
    return SHORT if left_out else DONE


async def _replay(address: Address, name: str | None, reason: str | None) -> tuple[Done, int]:
    """Replay; returns what was done, and how many jobs were left out."""
    done: Done = {}
    left_out = 0
    async with open_grid(address) as grid:
        for job, letters in await _found(grid, name, reason):
            trades = frozenset(letter.trade for letter in letters)
            way_on = f"`azfinsim job resume {job.name}` goes on where this has stopped"
            try:
                with interrupted(way_on), progress(job.name, total=None) as advance:
                    done[job.name] = await replay_trades(grid, job, trades, advance=advance)
            except UsageError as error:
                if name is not None:
                    raise
                # The other jobs are still to be done.
                note(str(error))
                left_out += 1
    return done, left_out


@dead.command
@job_option
@all_option
@reason_option
@redis_option
@json_option
def purge(
    name: str | None, all_jobs: bool, reason: str | None, address: Address, as_json: bool
) -> None:
    """Accept that trades are dead: they are no longer listed or replayed.

    Results and counts of their jobs stay as they are.
    """
    _check_which(name, all_jobs)
    _tell("purged", run_async(_purge, address, name, reason), as_json)


async def _purge(address: Address, name: str | None, reason: str | None) -> Done:
    async with open_grid(address) as grid:
        return {
            job.name: await grid.letters.purge(job.name, [letter.trade for letter in letters])
            for job, letters in await _found(grid, name, reason)
        }


def _check_which(name: str | None, all_jobs: bool) -> None:
    if (name is None) != all_jobs:
        raise UsageError("of which jobs? Give either --job JOB or --all")


async def _found(
    grid: Grid, name: str | None, reason: str | None
) -> Sequence[tuple[Job, Sequence[Letter]]]:
    """The jobs that have such letters, with these."""
    names = [name] if name is not None else await grid.jobs.names()
    counts = await grid.letters.counts(names)
    found = []
    for each, count in zip(names, counts, strict=True):
        try:
            # One that is asked for must be there, even if none of its trades is dead.
            job = await find(grid, each) if count or name is not None else None
            if job and (letters := for_reason(await grid.letters.of(each), reason)):
                found.append((job, letters))
        except (UsageError, ServerError) as error:
            if name is not None:
                raise
            # It may have expired just now, or be damaged: the others are still to be seen.
            note(str(error))
    return found


def _tell(what: str, done: Done, as_json: bool) -> None:
    if as_json:
        print_json({what: sum(done.values()), "jobs": done})
    elif done:
        for job, count in done.items():
            note(f"job {job}: {what} {count:,}")
    else:
        note("no such trade is dead")
