"""How big a Redis a fleet needs: shards, memory, chunks, time and cost, by the model. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from redis.crc import key_slot

from engine.errors import UsageError
from loadtest.fleet.model import Costs, cores_of, loads
from loadtest.fleet.servers import SLOTS
from loadtest.fleet.shape import Shape

CHUNKS = (100, 50, 20, 10, 5, 2, 1)
"""To choose from. No more than a block: beyond it an entry costs what its trades cost."""

LONGEST_ENTRY = 5.0
"""Seconds: what a killed consumer had begun is done again, and one that leaves waits for."""

ROUNDS = 2
"""Entries for each core at least. More would end more evenly, and cost Redis as much more."""

MOST_SHARDS = 64

MOST_PARTITIONS = 4
"""For each shard."""


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices to reckon with, in any one currency. They are assumptions: look them up."""

    core_hour: float = 0.048
    shard_hour: float = 0.30
    as_of: str = "2026-11"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be priced, and with what."""

    trades: int
    cores: int
    price_ms: float
    deadline: float | None = None
    """Seconds."""
    slots: int = 16
    """Of a consumer: the cores of a machine."""
    chunk: int | None = None
    """None for the one that suits."""
    spare: float = 0.5
    """Of a shard's core that is left for bursts, submitting, realtime, replicas and TLS."""
    shard_bytes: float = 12e9
    """Memory of a shard."""

    def __post_init__(self) -> None:
        for name in ("trades", "cores", "price_ms", "slots", "shard_bytes"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}: must be above 0")
        if not 0 <= self.spare < 1:
            raise UsageError(f"spare is {self.spare}: must be at least 0 and below 1")


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes."""

    chunk: int
    entries: int
    consumers: int
    partitions: int
    shards: int
    busiest: float
    """Cores of the busiest shard."""
    cpu: float
    """Cores of all shards together."""
    cpu_by_cause: dict[str, float]
    bound_by: str
    """What makes the number of shards: "processor", "memory", or "nothing" for one."""
    memory: float
    """Bytes in all shards, without replicas."""
    connections: int
    """To each shard."""
    bytes_in: float
    """Per second, what all shards receive."""
    bytes_out: float
    queue_seconds: float
    """Of Redis' processor, to queue the job."""
    seconds: float
    """That the run takes."""
    cores_for_deadline: int | None
    """That would meet it; None if it is met, or there is none."""
    core_hours: float
    cost: float
    """Of cores and shards for the time of the run."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def plan(wish: Wish, costs: Costs, prices: Prices) -> Plan:
    """What to buy for a wish. Raises UsageError if ``MOST_SHARDS`` shards do not suffice."""
    chunk = wish.chunk or suitable_chunk(wish.trades, wish.cores, wish.price_ms)
    shape = Shape(-(-wish.cores // wish.slots), wish.slots, chunk, wish.price_ms)
    entries = -(-wish.trades // chunk)
    bound_by = "nothing"
    for shards in range(1, MOST_SHARDS + 1):
        memory = _memory(costs, wish.trades, entries, shape, shards)
        most = wish.shard_bytes / memory
        shape = replace(shape, partitions=best_partitions(costs, shape, shards, most))
        cores = shard_cores(costs, shape, shards)
        busiest, share = max(cores), max(shares(shape.partitions, shards))
        if busiest <= 1 - wish.spare and share <= most:
            break
        bound_by = "memory" if share > most else "processor"
    else:
        raise UsageError(_too_much(costs, shape, busiest, wish.spare))
    seconds = run_seconds(wish.trades, wish.cores, chunk, wish.price_ms)
    core_hours = wish.cores * seconds / 3600
    return Plan(
        chunk=chunk,
        entries=entries,
        consumers=shape.consumers,
        partitions=shape.partitions,
        shards=shards,
        busiest=busiest,
        cpu=sum(cores),
        cpu_by_cause=_by_cause(costs, shape, sum(cores)),
        bound_by=bound_by,
        memory=memory,
        connections=round(costs.clients * shape.consumers),
        bytes_in=shape.ideal * (costs.in_trade + costs.in_entry / chunk),
        bytes_out=shape.ideal * (costs.out_trade + costs.out_entry / chunk),
        queue_seconds=entries * costs.queue_cpu,
        seconds=seconds,
        cores_for_deadline=_cores_for(wish, chunk, seconds),
        core_hours=core_hours,
        cost=core_hours * prices.core_hour + shards * seconds / 3600 * prices.shard_hour,
    )


def suitable_chunk(trades: int, cores: int, price_ms: float) -> int:
    """The largest of ``CHUNKS`` that a slot ends in time, and of which each core gets several."""
    longest = LONGEST_ENTRY * 1000 / price_ms
    fair = trades / (cores * ROUNDS)
    return next((chunk for chunk in CHUNKS if chunk <= min(longest, fair)), 1)


def run_seconds(trades: int, cores: int, chunk: int, price_ms: float) -> float:
    """How long it takes: the slots share the entries, and wait for the last of them."""
    entries = -(-trades // chunk)
    trades_each = min(chunk, trades) if entries <= cores else trades / cores + chunk / 2
    return trades_each * price_ms / 1000


@cache
def shares(partitions: int, shards: int) -> Sequence[float]:
    """Of the work that each shard has, if each has as many of the cluster's hash slots.

    Partition 0 also has what belongs to no partition, which is not in this.
    """
    counts = [0] * shards
    for partition in range(partitions):
        counts[_hash_slot(partition) * shards // SLOTS] += 1
    return [count / partitions for count in counts]


@cache
def _hash_slot(partition: int) -> int:
    return int(key_slot(str(partition).encode()))


def shard_cores(costs: Costs, shape: Shape, shards: int) -> list[float]:
    """Cores that each shard takes when all slots are at work."""
    load = sum(loads(costs, shape, shape.ideal).values())
    return [cores_of(load * share) for share in shares(shape.partitions, shards)]


def _by_cause(costs: Costs, shape: Shape, cores: float) -> dict[str, float]:
    """What cores are spent on, in proportion to the load."""
    by_cause = loads(costs, shape, shape.ideal)
    return {cause: cores * load / sum(by_cause.values()) for cause, load in by_cause.items()}


def best_partitions(costs: Costs, shape: Shape, shards: int, most: float = 1.0) -> int:
    """The number of partitions with which the busiest shard has the least to do.

    Of those that leave it no more than ``most`` of all memory, if there are any.

    Where a partition lies is decided by a hash of its number: as many partitions as shards leave
    some shards without any. But each consumer looks into every partition, so that many cost too.
    """
    if shards == 1:
        return 1
    counts = range(shards, MOST_PARTITIONS * shards + 1)
    fitting = [n for n in counts if max(shares(n, shards)) <= most]
    return min(
        fitting or counts,
        key=lambda n: max(shard_cores(costs, replace(shape, partitions=n), shards)),
    )


def _too_much(costs: Costs, shape: Shape, busiest: float, spare: float) -> str:
    load = loads(costs, replace(shape, partitions=1), shape.ideal)
    most = ", ".join(f"{cause} {cores:.2f}" for cause, cores in load.items())
    return (
        f"{MOST_SHARDS} shards do not suffice: the busiest would take {busiest:.2f} of a core, and "
        f"--spare {spare:g} leaves it {1 - spare:g}. With one partition the load is {most}. "
        "What consumers take of Redis grows with their number: more --slots make fewer; a larger "
        "--chunk makes fewer entries"
    )


def _memory(costs: Costs, trades: int, entries: int, shape: Shape, shards: int) -> float:
    clients = costs.clients * shape.consumers * shards * costs.client_bytes
    data = trades * (costs.book_bytes + costs.result_bytes) + entries * costs.queue_bytes
    return data + clients


def _cores_for(wish: Wish, chunk: int, seconds: float) -> int | None:
    """The cores that meet the deadline; None if these do.

    Raises UsageError if an entry alone takes longer.
    """
    if wish.deadline is None or seconds <= wish.deadline:
        return None
    tail = chunk / 2 * wish.price_ms / 1000
    if wish.deadline <= 2 * tail:
        raise UsageError(
            f"an entry of {chunk} trades takes {2 * tail:g} s: give a smaller --chunk, or a later "
            f"deadline than {wish.deadline:g} s"
        )
    return int(-(-wish.trades * wish.price_ms / 1000 // (wish.deadline - tail)))
