"""Replaying dead trades: they are priced again, as part of their job."""

from collections.abc import Container, Sequence

from engine.errors import UsageError
from engine.grid import Grid
from engine.job import Job, State
from engine.letter import Letter
from engine.outcome import Outcome
from producer.examine import Again
from producer.resume import resume
from producer.submit import Advance, no_advance


def for_reason(letters: Sequence[Letter], words: str | None) -> list[Letter]:
    """The letters whose reason has these words, however they are written; all for None."""
    return [each for each in letters if words is None or words.casefold() in each.reason.casefold()]


def dead(trades: Container[int]) -> Again:
    """Has the dead among these trades priced again."""
    return lambda record: record.get("outcome") == Outcome.DEAD and record["id"] in trades


def rejected(record: dict[str, object]) -> bool:
    """Has what was rejected priced again."""
    return record.get("outcome") == Outcome.REJECTED


async def replay(
    grid: Grid, job: Job, trades: Container[int], *, advance: Advance = no_advance
) -> int:
    """Queue the dead among these trades again; returns how many trades were queued.

    Each is priced apart from the others, since it may kill again. As ``resume``, of which this is a
    use: it may be killed and run again, and work of this job that is running is done again. Raises
    UsageError for a job that is cancelled, and what ``resume`` raises.
    """
    if (await grid.jobs.progress(job)).state is State.CANCELLED:
        raise UsageError(
            f"job {job.name} is cancelled: `azfinsim job resume {job.name}` revives it, and then "
            "its dead trades can be replayed"
        )
    done = await resume(grid, job, again=dead(trades), advance=advance)
    return done.queued_again + done.queued_first
