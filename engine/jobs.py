"""The jobs: what they ask for, how far they are, and their results, in Redis."""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from engine import keys, scripts
from engine.connection import text
from engine.errors import ServerError
from engine.ids import Ids, parse_ids, partition_of
from engine.job import Job, Progress
from engine.outcome import Counts
from engine.streams import is_damage

_CREATE, _FENCE = scripts.Script("create"), scripts.Script("fence")
_AMEND, _LET_GO = scripts.Script("amend"), scripts.Script("let_go")


def first_epoch(job: Job) -> int:
    """The epoch in which a job is submitted: its time, since the name may have been another job's.

    Entries of that one, forgotten with it and never taken, must not pass for this one's.
    """
    return max(int(job.submitted_at), 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands in one partition, for whoever queues its trades there."""

    epoch: int
    """Entries of an earlier one have no effect."""
    submitted: int
    """Trades."""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one server."""

    redis: Redis
    partitions: int

    async def now(self) -> float:
        """The server's clock, Unix time in seconds: one clock for all, whoever asks."""
        seconds, microseconds = await self.redis.time()
        return float(seconds) + float(microseconds) / 1e6

    async def create(self, job: Job) -> bool:
        """Write a job down; False if there is one of this name."""
        call = scripts.Call(
            _CREATE,
            [keys.job(job.name), keys.jobs()],
            [job.name, job.to_json(), str(job.submitted_at), job.expires_at],
        )
        if not await scripts.run_one(self.redis, call):
            return False
        await self.ensure_epochs(job)
        return True

    async def ensure_epochs(self, job: Job) -> None:
        """Begin the job's counts in each partition, unless they have begun."""
        pipe = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipe.hsetnx(keys.counts(partition, job.name), "epoch", first_epoch(job))
            pipe.expireat(keys.counts(partition, job.name), job.expires_at)
        await pipe.execute()

    async def get(self, name: str) -> Job | None:
        """A job, or None if there is none of this name.

        Raises ValueError if what is stored is no job.
        """
        spec = await self.redis.hget(keys.job(name), "spec")
        return Job.from_json(text(spec).encode()) if spec is not None else None

    async def known(self, name: str) -> bool:
        """Whether there is a job of this name."""
        return bool(await self.redis.exists(keys.job(name)))

    async def names(self) -> list[str]:
        """The names of all jobs, latest first; forgets those that have expired."""
        names = [text(name) for name in await self.redis.zrevrange(keys.jobs(), 0, -1)]
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.hexists(keys.job(name), "spec")
        alive = await pipe.execute(raise_on_error=False)
        for told in alive:
            # Something else in a job's place is told of by who reads it, and hides no other job.
            if isinstance(told, Exception) and not is_damage(told):
                raise told
        gone = [name for name, there in zip(names, alive, strict=True) if not there]
        if gone:
            await self.redis.zrem(keys.jobs(), *gone)
        return [name for name, there in zip(names, alive, strict=True) if there]

    async def latest(self, count: int) -> list[str]:
        """The names of so many jobs, latest first, some of which may have expired."""
        return [text(name) for name in await self.redis.zrevrange(keys.jobs(), 0, count - 1)]

    async def seal(self, job: Job, total: int) -> None:
        """Note that all trades of a job have been queued, and how many they were."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.hset(keys.job(job.name), "sealed", str(total))
        # Had the job expired just now, this would have made a key that never does.
        pipe.expireat(keys.job(job.name), job.expires_at)
        await pipe.execute()

    async def progress(self, job: Job) -> Progress:
        """How far a job is, all partitions together.

        Raises ServerError if what is stored are no counts.
        """
        # Read first: a job whose counts were read before its total could look short of it.
        sealed, released, cause = await self.redis.hmget(
            keys.job(job.name), ["sealed", "released", "cause"]
        )
        stored = await self._counts(job)
        return read_progress(job, (sealed, released, cause), stored, await self.now())

    async def standings(self, job: Job) -> list[Standing]:
        """How the job stands in each partition.

        Raises ServerError if what is stored are no counts.
        """
        with _readable(f"the counts of job {job.name}"):
            return [
                Standing(
                    int(stored.get("epoch", first_epoch(job))),
                    int(stored.get("submitted", 0)),
                    "cancelled" in stored,
                )
                for stored in await self._counts(job)
            ]

    async def epochs_of(self, wanted: Sequence[tuple[int, str]]) -> list[int | None]:
        """The epochs of (partition, job name), None where the job is not known."""
        pipe = self.redis.pipeline(transaction=False)
        for partition, name in wanted:
            pipe.hget(keys.counts(partition, name), "epoch")
        return [int(epoch) if epoch else None for epoch in await pipe.execute()]

    async def fence(
        self, job: Job, partition: int, purpose: Literal["cancel", "resume"]
    ) -> Standing:
        """Put the queued and running entries of a partition out of effect, as ``fence.lua`` says.

        Cancelling is possible even on a full server.
        """
        call = scripts.Call(_FENCE, [keys.counts(partition, job.name)], [purpose, job.expires_at])
        epoch, submitted = await scripts.run_one(self.redis, call)
        return Standing(epoch, submitted, cancelled=purpose == "cancel")

    async def hold(self, job: Job) -> None:
        """Have a job that follows another looked after; to be done before its trades are queued."""
        await self.redis.hset(keys.waiting(), job.name, secrets.token_hex(8))

    async def any_held(self) -> bool:
        """Whether there is a job to be looked after."""
        return bool(await self.redis.exists(keys.waiting()))

    async def held(self) -> dict[str, str]:
        """The jobs to be looked after, each with the token that it stands there with."""
        stored = await self.redis.hgetall(keys.waiting())
        return {text(name): text(token) for name, token in stored.items()}

    async def held_as(self, job: Job) -> str | None:
        """The token of a job that is looked after, None if it is not."""
        token = await self.redis.hget(keys.waiting(), job.name)
        return text(token) if token is not None else None

    async def let_go(self, name: str, token: str) -> None:
        """Look after a job no more, unless it was put there anew since ``token`` was read."""
        await scripts.run_one(self.redis, scripts.Call(_LET_GO, [keys.waiting()], [name, token]))

    async def take_turn(self, seconds: float) -> bool:
        """Whether nobody else has taken a turn at looking after the jobs for so long."""
        try:
            return bool(
                await self.redis.set(keys.turn(), "1", nx=True, px=max(int(seconds * 1000), 1))
            )
        except OutOfMemoryError:
            # Turns only save work, and a job that begins is what makes room.
            return True

    async def mark_released(self, job: Job) -> bool:
        """Note that a job need not wait any more; False if somebody else has, or it has expired."""
        now = await self.now()
        return bool(await self._amend(job, "HSETNX", "released", str(now)))

    async def explain(self, job: Job, cause: str | None) -> None:
        """Note why a job is cancelled; None if it is by hand."""
        if cause is None:
            await self._amend(job, "HDEL", "cause")
        else:
            await self._amend(job, "HSET", "cause", cause)

    async def _amend(self, job: Job, *command: str) -> int:
        call = scripts.Call(_AMEND, [keys.job(job.name)], [job.expires_at, *command])
        return int(await scripts.run_one(self.redis, call))

    async def manifest(self, job: Job) -> dict[int, Ids]:
        """The IDs that the job was given, by block, in order of block.

        Raises ServerError if what is stored is no manifest.
        """
        manifest: dict[int, Ids] = {}
        for partition in range(self.partitions):
            async for number, ids in self.redis.hscan_iter(
                keys.manifest(partition, job.name), count=1000
            ):
                with _readable(f"the manifest of job {job.name}"):
                    manifest[int(number)] = parse_ids(text(ids))
        return dict(sorted(manifest.items()))

    async def results(
        self, job: Job, blocks: Sequence[int], page: int = 100
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        """The result records of these blocks, in the order given, None where there are none yet."""
        for start in range(0, len(blocks), page):
            numbers = blocks[start : start + page]
            by_partition: dict[int, list[int]] = {}
            for number in numbers:
                by_partition.setdefault(partition_of(number, self.partitions), []).append(number)
            pipe = self.redis.pipeline(transaction=False)
            for partition, wanted in by_partition.items():
                pipe.hmget(keys.results(partition, job.name), [str(n) for n in wanted])
            found = {
                number: records
                for wanted, values in zip(by_partition.values(), await pipe.execute(), strict=True)
                for number, records in zip(wanted, values, strict=True)
            }
            for number in numbers:
                yield number, found[number]

    async def blocks_of(self, job: Job) -> list[int]:
        """The blocks that have results; raises ServerError if there stands something else."""
        pipe = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipe.hkeys(keys.results(partition, job.name))
        with _readable(f"the results of job {job.name}"):
            return [int(number) for numbers in await pipe.execute() for number in numbers]

    async def _counts(self, job: Job) -> list[dict[str, str]]:
        pipe = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipe.hgetall(keys.counts(partition, job.name))
        return [as_text(stored) for stored in await pipe.execute()]


def as_text(stored: Mapping[bytes, bytes]) -> dict[str, str]:
    """A hash that the server sent."""
    return {text(name): text(value) for name, value in stored.items()}


Stored = bytes | str | None
"""A field of a hash."""


def read_progress(
    job: Job,
    fields: tuple[Stored, Stored, Stored],
    counts: Sequence[Mapping[str, str]],
    now: float,
) -> Progress:
    """How far a job is: by what is stored with it under ``sealed``, ``released`` and ``cause``, by
    its counts of each partition, and by the server's clock.

    Raises ServerError if what is stored are no counts.
    """
    sealed, released, cause = fields
    total, settled_at = Counts(), 0.0
    for stored in counts:
        with _readable(f"the counts of job {job.name}"):
            total += Counts.read(stored)
            settled_at = max(settled_at, float(stored.get("settled_at", 0)))
    with _readable(f"the total of job {job.name}"):
        given = int(sealed) if sealed is not None else None
    with _readable(f"the time at which job {job.name} was released"):
        released_at = float(released) if released is not None else None
    cancelled = any("cancelled" in stored for stored in counts)
    why = text(cause) if cause is not None else None
    return Progress(job, given, cancelled, total, now, settled_at, released_at, why)


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn what somebody else has written under our keys into an error for the user."""
    try:
        yield
    except ValueError as error:
        raise ServerError(f"{what} cannot be read: {error}") from error
