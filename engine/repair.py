"""The steps that put a job right behind a fence, where its results and counts do not fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from engine import keys, scripts
from engine.grid import Grid
from engine.ids import Ids, format_ids
from engine.job import Job
from engine.jobs import Standing
from engine.outcome import Counts

_RECOUNT, _TAKE_BACK = scripts.Script("recount"), scripts.Script("take_back")


@dataclass(slots=True)
class Truth:
    """What the results of a job say of one partition."""

    ended: Counts = field(default_factory=Counts)
    """How many trades have which outcome; nothing is submitted or cancelled here."""
    lacking: dict[int, Ids] = field(default_factory=dict)
    """Block number -> trades with a result that the manifest lacks."""
    void: list[int] = field(default_factory=list)
    """Trades with a dead letter that are not dead."""


async def recount(
    grid: Grid, job: Job, partition: int, standing: Standing, truth: Truth
) -> Standing | None:
    """Put the counts of a partition right; None if the fence of ``standing`` was passed since."""
    ended = truth.ended
    manifest: list[str | int] = []
    for number, ids in truth.lacking.items():
        manifest += [number, format_ids(ids)]
    call = scripts.Call(
        _RECOUNT,
        [
            keys.counts(partition, job.name),
            keys.manifest(partition, job.name),
            keys.dead(partition, job.name),
        ],
        [
            standing.epoch,
            job.expires_at,
            *(ended.priced, ended.rejected, ended.dead, ended.expired),
            len(truth.lacking),
            *manifest,
            *truth.void,
        ],
    )
    submitted = await scripts.run_one(grid.redis, call)
    return None if submitted < 0 else replace(standing, submitted=submitted)


async def take_back(
    grid: Grid,
    job: Job,
    partition: int,
    standing: Standing,
    kept: Mapping[int, bytes],
    taken: Mapping[int, Iterable[int]],
) -> bool:
    """Let blocks keep some of their records alone; False if the fence was passed since.

    ``kept`` are the records that stay, ``taken`` the trades of the others, by block.
    """
    calls = [
        scripts.Call(
            _TAKE_BACK,
            [
                keys.counts(partition, job.name),
                keys.results(partition, job.name),
                keys.dead(partition, job.name),
            ],
            [standing.epoch, job.expires_at, number, records, *taken.get(number, ())],
        )
        for number, records in kept.items()
    ]
    results = await scripts.run(grid.redis, *calls)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return all(results)
