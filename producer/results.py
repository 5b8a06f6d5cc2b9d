"""The results of a job, in order of trade ID."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from engine.codec import decode_records
from engine.errors import ServerError
from engine.grid import Grid
from engine.ids import Ids
from engine.job import Job
from engine.outcome import Outcome

Record = dict[str, Any]
"""One trade's ID, outcome and figures, as in DESIGN section 3."""


async def results(
    grid: Grid, job: Job, given: Mapping[int, Ids], *, cancelled: bool
) -> AsyncIterator[Sequence[Record]]:
    """The result records of a job, a block at a time; holds some hundred blocks.

    ``given`` is the job's manifest. Trades in flight are left out; with ``cancelled``, which says
    that nothing is in flight any more, those without a result appear as cancelled. Raises
    ServerError if what is stored are no results.
    """
    async for number, data in grid.jobs.results(job, list(given)):
        records = read_records(job, number, data) if data is not None else []
        if cancelled:
            ended = {record["id"] for record in records}
            records += [
                {"id": i, "outcome": str(Outcome.CANCELLED)}
                for i in given[number].tolist()
                if i not in ended
            ]
        if records:
            # Chunks of one block settle in any order; sorting what is sorted costs next to nothing.
            records.sort(key=_id)
            yield records


def read_records(job: Job, number: int, data: bytes) -> list[Record]:
    """The records of a block; raises ServerError if they are none."""
    try:
        return decode_records(data)
    except ValueError as error:
        raise ServerError(
            f"the results of job {job.name}, block {number}, cannot be read: {error}"
        ) from error


def _id(record: Record) -> int:
    trade_id: int = record["id"]
    return trade_id
