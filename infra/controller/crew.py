"""The crew that a controller scales: processes on this machine, or tasks on Azure Batch."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.roster import Roster
from infra.pool.consumers import Consumers
from infra.pool.ground import Ground
from infra.pool.plan import Order, PoolLane, generation_of


@dataclass(frozen=True, slots=True)
class Crew:
    """Consumers, and how they are told from others."""

    consumers: Consumers
    name: str
    """That controllers know it by: as in the roster, without a Batch job's number."""
    is_ours: Callable[[str], bool]
    """Of the name of a crew in the roster."""
    per_node: int = 1
    """Consumers that share a node, and its price."""


@asynccontextmanager
async def crew_of(where: Ground, order: Order, roster: Roster) -> AsyncIterator[Crew]:
    """The crew of an order. Raises UsageError if it is not known where it could be."""
    if where.local:
        crew = where.local_crew(order)
        yield Crew(crew, crew.called, lambda name: name == crew.called)
        return
    deployment = where.deployment()
    async with where.batch() as service:
        # Only now: a laptop without Azure does without its SDK.
        from infra.pool.batch_crew import BatchCrew

        # To ask for a pool first: Batch takes a job of one that is not there.
        await service.pools([deployment.bulk_pool, deployment.realtime_pool])
        bulk = order.lane is PoolLane.BULK
        yield Crew(
            BatchCrew(service, deployment, order, roster),
            order.name,
            # Each Batch job of it is a crew of its own in the roster.
            lambda name: generation_of(name, order.name) is not None,
            deployment.bulk_slots if bulk else deployment.realtime_slots,
        )
