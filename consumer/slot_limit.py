"""How long a trade may take: those that take longer are given up, and their neighbours priced."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from consumer.slot_process import SlotProcess, TookTooLong
from engine.chunk import Chunk, Priced, refuse_chunk, together
from engine.outcome import Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InTime:
    """What came of a chunk."""

    priced: Priced
    """With the records of those given up, which it does not count."""
    given_up: Mapping[int, TookTooLong]
    """By trade."""
    attempts: int
    """How often these were begun."""


async def price_in_time(
    process: SlotProcess, algorithm: str, chunk: Chunk, limit: float | None
) -> InTime:
    """Price a chunk, and give up the trades that take longer than ``limit`` seconds.

    First all together, for as long as one alone may take; if that is not enough, each alone. So
    quick trades cost nothing more, a trade is given up only after it took too long twice (the
    machine may have stood still once), and no more than ``limit`` is lost over those that are slow.
    Raises ProcessDied.
    """
    try:
        priced = await process.price(algorithm, chunk, limit)
    except TookTooLong as error:
        log.info("each alone: a chunk", trades=len(chunk.ids), reason=str(error))
        return await _each_alone(process, algorithm, chunk, limit)
    return InTime(priced, {}, chunk.attempts)


async def _each_alone(
    process: SlotProcess, algorithm: str, chunk: Chunk, limit: float | None
) -> InTime:
    parts: list[Priced] = []
    given_up: dict[int, TookTooLong] = {}
    attempts = chunk.attempts + 1
    for row, trade in enumerate(chunk.ids.tolist()):
        ids = chunk.ids[row : row + 1]
        try:
            parts.append(await process.price(algorithm, chunk.of(ids), limit))
        except TookTooLong as error:
            log.warning("gave up a trade", trade=trade, reason=str(error))
            given_up[trade] = error
            records = refuse_chunk(ids, Outcome.DEAD, str(error), attempts)
            parts.append(Priced(records, 0, 0, 0.0))
    return InTime(together(parts), given_up, attempts)
