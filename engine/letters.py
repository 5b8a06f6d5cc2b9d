"""The dead letters of the jobs, in Redis. Settling writes them; here they are read and purged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from engine import keys
from engine.errors import ServerError
from engine.ids import BLOCK_SIZE, partition_of
from engine.letter import Letter

PAGE = 1000
"""Letters read or purged in one call."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of one server."""

    redis: Redis
    partitions: int

    async def counts(self, jobs: Sequence[str]) -> list[int]:
        """How many there are of each of these jobs."""
        pipe = self.redis.pipeline(transaction=False)
        for job in jobs:
            for partition in range(self.partitions):
                pipe.hlen(keys.dead(partition, job))
        lengths = iter(await pipe.execute())
        return [sum(next(lengths) for _ in range(self.partitions)) for _ in jobs]

    async def of(self, job: str) -> list[Letter]:
        """Those of a job, by trade; raises ServerError if what is stored are none."""
        letters = []
        for partition in range(self.partitions):
            async for trade, data in self.redis.hscan_iter(keys.dead(partition, job), count=PAGE):
                try:
                    letters.append(_read(trade, data))
                except ValueError as error:
                    raise ServerError(
                        f"the dead letters of job {job} cannot be read: {error}"
                    ) from error
        return sorted(letters, key=lambda letter: letter.trade)

    async def purge(self, job: str, trades: Iterable[int]) -> int:
        """Throw the letters of these trades away; returns how many there were."""
        by_partition: dict[int, list[str]] = {}
        for trade in trades:
            partition = partition_of(trade // BLOCK_SIZE, self.partitions)
            by_partition.setdefault(partition, []).append(str(trade))
        pipe = self.redis.pipeline(transaction=False)
        for partition, fields in by_partition.items():
            for start in range(0, len(fields), PAGE):
                pipe.hdel(keys.dead(partition, job), *fields[start : start + PAGE])
        return sum(await pipe.execute()) if by_partition else 0


def _read(trade: bytes, data: bytes) -> Letter:
    letter = Letter.from_json(data)
    if str(letter.trade).encode() != trade:
        raise ValueError(f"under {trade!r:.40} stands that of trade {letter.trade}")
    return letter
