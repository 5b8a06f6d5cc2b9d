"""Simulated slots: sleep instead of pricing, so that one machine can stand for thousands of cores.

All else is a consumer's own: what is taken, leased and settled goes to a real server. Only jobs of
the ``synthetic`` pricer are served, which prices nothing.
"""

import random

import anyio
from anyio import CapacityLimiter

from consumer.desk import Desk
from consumer.holdings import Held
from consumer.slots import finish
from engine.chunk import Chunk, Priced
from engine.errors import UsageError
from engine.ids import by_block
from engine.job import Job

SPREAD = 0.3
"""Standard deviation of the time of one trade, over its mean."""

_RECORD = (
    b'{"id":%d,"pv":1234567.8901234567,"se":123.45678901234567,"paths":10000,'
    b'"attempts":%d,"ms":50.125,"outcome":"priced"}'
)
"""As long as that of ``pvonly``, since the server's work and memory depend on it."""


async def run(desk: Desk, _limiter: CapacityLimiter) -> None:
    """One slot: settle each entry after the time that its job asks for.

    Raises UsageError if it is given a job that wants to be priced.
    """
    begun = False
    while batch := await desk.holdings.next(desk.pace.at_once):
        seconds = [drawn(_per_trade(held.job), len(held.chunk.ids)) for held in batch]
        # The first is found half done, as if the slots had long been at work: having begun
        # together, they would else settle together, chunk after chunk.
        await anyio.sleep(sum(seconds) * (1.0 if begun else random.random()))
        begun = True
        for held, each in zip(batch, seconds, strict=True):
            finish(desk, held, _outcome(held, each), each)


def drawn(seconds: float, trades: int) -> float:
    """A time for a chunk of trades that take ``seconds`` each in the mean, independently.

    The sum of gamma variates is one: https://en.wikipedia.org/wiki/Gamma_distribution#Summation
    """
    if not seconds:
        return 0.0
    return random.gammavariate(trades / SPREAD**2, seconds * SPREAD**2)


def _per_trade(job: Job) -> float:
    """Seconds that a trade of a synthetic job takes."""
    if job.algorithm != "synthetic":
        raise UsageError(
            f"job {job.name} asks for {job.algorithm}: simulated consumers, which sleep, serve "
            "synthetic jobs alone. Give them a server of their own"
        )
    milliseconds = job.options.get("task_duration", 0)
    return float(milliseconds) / 1000 if isinstance(milliseconds, int | float) else 0.0


def _outcome(held: Held, seconds: float) -> Priced:
    chunk: Chunk = held.chunk
    records = {
        number: b"\n".join(_RECORD % (trade, chunk.attempts) for trade in ids.tolist())
        for number, ids in by_block(chunk.ids)
    }
    return Priced(records, len(chunk.ids), 0, seconds)
