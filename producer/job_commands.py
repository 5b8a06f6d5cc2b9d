"""``azfinsim job``: submitting jobs, watching them, and fetching their results.

What may live here: the commands, what they ask and what they tell. The work is in the other files.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click
from redis.exceptions import ResponseError

from engine.cancel import cancel as cancel_job
from engine.connection import Address
from engine.drop import drop as drop_job
from engine.drop import drop_rest
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
    stderr,
)
from engine.errors import AzfinsimError, UsageError
from engine.grid import Grid, open_grid
from engine.job import Job, Progress, State, iso
from engine.names import check_name
from engine.roster import Presence
from engine.streams import is_damage
from engine.survey import survey
from producer import job_views
from producer.job_options import job_options, request_of
from producer.options import interrupted
from producer.outlook import NO_CONSUMER, Outlook, outlook, unserved
from producer.replay import rejected as was_rejected
from producer.results_command import results
from producer.resume import Resumed
from producer.resume import resume as resume_job
from producer.submit import Submitted, find
from producer.submit import submit as submit_job
from producer.wait import wait as wait_for

LOOKED_AT = 1_000
"""The latest jobs alone are looked at for what is queued before another."""


def _job_name(_context: click.Context, _argument: click.Parameter, name: str) -> str:
    return check_name("job", name)


job_argument = click.argument("name", metavar="JOB")
timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this."
)


@click.group(cls=Group)
def job() -> None:
    """Submit jobs, watch them and fetch their results."""


@job.command
@job_options
@click.option("--keep-days", type=click.IntRange(1, 3650), default=7, help="Then it is forgotten.")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@redis_option
@json_option
def submit(address: Address, as_json: bool, wait: bool, keep_days: int, **asked: Any) -> int:
    """Price a book, or a range of it.

    Run again under the same name, it goes on with a submission that was cut short. Exit code 1 if
    --wait is given and a trade was not priced.
    """
    request = request_of(**asked)
    with interrupted(f"`azfinsim job resume {request.name}` goes on where this has stopped"):
        done, seen, ahead = run_async(_submit, address, request, keep_days)
    if done.missing:
        note(f"book {request.book} does not hold {done.missing} of these trades: they are rejected")
    if wait:
        seen, ahead = _wait(address, request.name, None)
    elif not as_json:
        note(f"job {request.name}: `azfinsim job wait {request.name}` watches it")
    _tell(seen, as_json, ahead, missing=done.missing)
    return DONE if seen.well or not wait else SHORT


async def _submit(
    address: Address, request: Job, keep_days: int
) -> tuple[Submitted, Progress, Outlook | None]:
    async with open_grid(address) as grid:
        # How many they are is only known once the book has been looked up.
        with progress("queue", total=None) as advance:
            done = await submit_job(grid, request, keep_days=keep_days, advance=advance)
        return done, *await _ahead(grid, done.job)


@job.command
@job_argument
@redis_option
@json_option
def status(name: str, address: Address, as_json: bool) -> None:
    """Tell how far a job is, and when it will be done by the rate of late."""
    seen, ahead = run_async(_status, address, name)
    more = {} if ahead is None else {"consumers": ahead.serving, "rate": ahead.rate}
    _tell(seen, as_json, ahead, **more)


async def _status(address: Address, name: str) -> tuple[Progress, Outlook | None]:
    async with _found(address, name) as (grid, found):
        return await _ahead(grid, found)


async def _ahead(grid: Grid, job: Job) -> tuple[Progress, Outlook | None]:
    """How far a job is, and what lies ahead of it if it has not ended."""
    seen = await grid.jobs.progress(job)
    if seen.ended:
        return seen, None
    found = await survey(grid.jobs, await grid.jobs.latest(LOOKED_AT))
    others = [each for each in found.values() if isinstance(each, Progress)]
    return seen, outlook(seen, await grid.roster.living(), others)


@job.command(name="list")
@redis_option
@json_option
def list_jobs(address: Address, as_json: bool) -> None:
    """List the jobs, latest first."""
    jobs, consumers = run_async(_list, address)
    if as_json:
        print_json({"jobs": [seen.report() for seen in jobs]})
    elif jobs:
        stderr.print(job_views.overview(jobs))
        if names := unserved(jobs, consumers):
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            nobody = f"no consumer that runs serves job {names[0]}{more}"
            note(nobody if consumers else NO_CONSUMER)
    else:
        note("there is no job yet: `azfinsim job submit` makes one")


async def _list(address: Address) -> tuple[list[Progress], list[Presence]]:
    async with open_grid(address) as grid:
        found = await survey(grid.jobs, await grid.jobs.names())
        consumers = await grid.roster.living()
    for seen in found.values():
        if isinstance(seen, AzfinsimError):
            # The others are still to be seen.
            note(str(seen))
    return [seen for seen in found.values() if isinstance(seen, Progress)], consumers


@job.command
@job_argument
@timeout_option
@redis_option
@json_option
def wait(name: str, timeout: float | None, address: Address, as_json: bool) -> int:
    """Wait until a job has ended; exit code 0 only if every trade was priced."""
    seen, ahead = _wait(address, name, timeout)
    if not seen.ended:
        note(f"job {name} has not ended after {timeout:g} s, and goes on")
    _tell(seen, as_json, ahead)
    return DONE if seen.well else SHORT


def _wait(address: Address, name: str, timeout: float | None) -> tuple[Progress, Outlook | None]:
    with interrupted(f"job {name} goes on; `azfinsim job wait {name}` watches it again"):
        return run_async(_wait_and_show, address, name, timeout)


async def _wait_and_show(
    address: Address, name: str, at_most: float | None
) -> tuple[Progress, Outlook | None]:
    async with _found(address, name) as (grid, found):
        total = (await grid.jobs.progress(found)).total
        with job_views.watching(found, total) as look:
            seen = await wait_for(grid, found, at_most=at_most, on_look=look)
        return (seen, None) if seen.ended else await _ahead(grid, found)


job.add_command(results)


@job.command
@job_argument
@redis_option
@json_option
def cancel(name: str, address: Address, as_json: bool) -> None:
    """Stop a job at once: what has not ended of it never takes effect."""
    seen = run_async(_cancel, address, name)
    if seen.state is State.DONE:
        note(f"job {name} is done: there is nothing to cancel")
    _tell(seen, as_json)


async def _cancel(address: Address, name: str) -> Progress:
    async with _found(address, name) as (grid, found):
        return await cancel_job(grid, found)


@job.command
@job_argument
@click.option("--now", is_flag=True, help="Also if it was to run after another: wait no more.")
@click.option("--rejected", is_flag=True, help="Price again too what was rejected.")
@redis_option
@json_option
def resume(name: str, now: bool, rejected: bool, address: Address, as_json: bool) -> None:
    """Queue again what has no result, whatever became of it.

    For a job that was cancelled, whose submission was cut short, or whose server has lost data:
    counts are put right by the results.
    What is queued or running is discarded and done again. A job that was to run after another
    waits for it, as before.
    """
    with interrupted(f"`azfinsim job resume {name}` goes on where this has stopped"):
        done, seen, ahead = run_async(_resume, address, name, now, rejected)
    if not done.queued_again + done.queued_first:
        note(f"job {name}: nothing is missing")
    _tell(seen, as_json, ahead, queued_again=done.queued_again, queued_first=done.queued_first)


async def _resume(
    address: Address, name: str, at_once: bool, rejected: bool
) -> tuple[Resumed, Progress, Outlook | None]:
    again = was_rejected if rejected else None
    async with _found(address, name) as (grid, found):
        with progress("queue", total=None) as advance:
            done = await resume_job(grid, found, at_once=at_once, again=again, advance=advance)
        return done, *await _ahead(grid, found)


@job.command
@click.argument("name", metavar="JOB", callback=_job_name)
@redis_option
@json_option
def drop(name: str, address: Address, as_json: bool) -> None:
    """Forget a job that has ended, and its results, at once.

    Otherwise that happens by itself, when the days are over that --keep-days has said. A job that
    is not there (any more) is as good as dropped.
    """
    dropped = run_async(_drop, address, name)
    if as_json:
        print_json({"job": name, "dropped": dropped})
    else:
        note(f"job {name} is dropped" if dropped else f"there is no job {name}: nothing to drop")


async def _drop(address: Address, name: str) -> bool:
    async with open_grid(address) as grid:
        if not await grid.jobs.known(name):
            # One whose dropping was cut short has left something, perhaps.
            return bool(await drop_rest(grid, name))
        try:
            seen = await grid.jobs.progress(await find(grid, name))
        except (UsageError, ResponseError) as error:
            if isinstance(error, ResponseError) and not is_damage(error):
                raise
            note(f"job {name} cannot be read; whatever is there of it is dropped")
            return bool(await drop_rest(grid, name))
        await drop_job(grid, seen)
        return True


@asynccontextmanager
async def _found(address: Address, name: str) -> AsyncIterator[tuple[Grid, Job]]:
    async with open_grid(address) as grid:
        yield grid, await find(grid, name)


def _tell(seen: Progress, as_json: bool, ahead: Outlook | None = None, **more: object) -> None:
    if ahead is not None and ahead.lonely is not None:
        note(f"job {seen.job.name}: {ahead.lonely}")
    if as_json:
        print_json({**_report(seen, ahead), **more})
        return
    stderr.print(job_views.summary(seen, ahead))
    if seen.counts.rejected or seen.counts.dead:
        note(f"`azfinsim job results {seen.job.name}` has the reason of each that was not priced")
    if seen.counts.dead:
        note(f"`azfinsim dead list --job {seen.job.name}` shows more of those that are dead")


def _report(seen: Progress, ahead: Outlook | None) -> dict[str, object]:
    """The report of a job; when it will be done, which only one with a deadline tells, by now."""
    report = seen.report()
    if ahead is None or seen.job.by is None:
        return report
    report.pop("expected", None)
    at = iso(ahead.expected_at)
    return report if at is None else {**report, "expected": at}
