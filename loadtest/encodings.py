"""``python -m loadtest encodings``: in which form, and how many at once, trades are best stored.

Compares three encodings of a block at several block sizes, on generated trades. The one that the
grid uses is ``table``; the reasons are in docs/measurements.md.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import click
import orjson
import redis
from rich.console import Console
from rich.table import Table

from engine.blocks import Trades
from engine.codec import Block, decode_block, encode_block
from engine.edge import Count, json_option, print_json
from engine.embedded import EmbeddedServer
from loadtest.machine import confine, describe
from producer.generate import generate

SIZES = (20, 50, 100, 200, 500)
"""Trades a block."""

PAGE = 20_000
"""Trades sent to the server in one pipeline."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to write a block; both directions are by column, as pricers and generators are."""

    name: str
    encode: Callable[[Trades], bytes]
    decode: Callable[[bytes], Block]


@dataclass(frozen=True, slots=True)
class Cost:
    """What an encoding costs at one block size; times in microseconds a trade."""

    encoding: str
    block: int
    """Trades a block."""
    encode_us: float
    decode_us: float
    bytes: float
    """Length of the encoded block, a trade."""
    redis_bytes: float
    """What the hash takes in the server's memory, a trade."""
    redis_us: float
    """Processor time of the server to store a trade and to send it once."""
    replace_us: float
    """To decode and encode a whole block, as replacing one of its trades does."""


def _encode_rows(trades: Trades) -> bytes:
    names = ("id", *trades.columns)
    rows = zip(trades.ids, *trades.columns.values(), strict=True)
    return b"\n".join(orjson.dumps(dict(zip(names, row, strict=True))) for row in rows)


def _decode_rows(data: bytes) -> Block:
    rows: list[dict[str, Any]] = orjson.loads(b"[" + data.replace(b"\n", b",") + b"]")
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Block(columns.pop("id"), columns)


def _encode_columns(trades: Trades) -> bytes:
    return orjson.dumps({"id": list(trades.ids), **trades.columns})


def _decode_columns(data: bytes) -> Block:
    columns: dict[str, list[Any]] = orjson.loads(data)
    return Block(columns.pop("id"), columns)


def _encode_table(trades: Trades) -> bytes:
    return encode_block(trades.ids, trades.columns)


ENCODINGS = (
    Encoding("objects", _encode_rows, _decode_rows),
    Encoding("table", _encode_table, decode_block),
    Encoding("columns", _encode_columns, _decode_columns),
)
"""A JSON object a line; names once, then a JSON array a line; one JSON array a field."""


@click.command
@click.option("--trades", type=Count(1_000), default=100_000, help="Trades to encode.")
@click.option("--runs", type=click.IntRange(1), default=5, help="Of which medians are shown.")
@json_option
def encodings(trades: int, runs: int, as_json: bool) -> None:
    """Compare the encodings of a block of trades, on one core."""
    machine = describe(confine(1))
    costs = list(_costs(trades, runs))
    if as_json:
        print_json({"machine": machine, "costs": [asdict(cost) for cost in costs]})
    else:
        Console(highlight=False).print(_table(costs))


def _costs(count: int, runs: int) -> Iterator[Cost]:
    trades = generate(seed=0, first=0, count=count)
    for encoding in ENCODINGS:
        for size in SIZES:
            parts = [trades.part(at, min(at + size, count)) for at in range(0, count, size)]
            yield _cost(encoding, parts, size, runs)


def _cost(encoding: Encoding, parts: Sequence[Trades], size: int, runs: int) -> Cost:
    count = sum(len(part.ids) for part in parts)
    encode = _microseconds(encoding.encode, parts, runs) / count
    blocks = [encoding.encode(part) for part in parts]
    decode = _microseconds(encoding.decode, blocks, runs) / count
    held, cpu = _stored(blocks, size)
    return Cost(
        encoding.name,
        size,
        encode,
        decode,
        sum(map(len, blocks)) / count,
        held / count,
        cpu * 1e6 / count,
        (encode + decode) * size,
    )


def _microseconds(work: Callable[[Any], object], inputs: Sequence[object], runs: int) -> float:
    """Processor time to do all inputs once, the median of some runs."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        for one in inputs:
            work(one)
        times.append(time.process_time() - began)
    return median(times) * 1e6


def _stored(blocks: Sequence[bytes], size: int) -> tuple[int, float]:
    """Store the blocks in one hash of a fresh server, and read them.

    Returns the bytes of memory that they take and the processor time that it took, in seconds.
    """
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as client:
        before = _cpu_seconds(client)
        step = max(PAGE // size, 1)
        for start in range(0, len(blocks), step):
            numbered = dict(enumerate(blocks[start : start + step], start))
            client.hset("blocks", mapping={str(n): block for n, block in numbered.items()})
            client.hmget("blocks", [str(n) for n in numbered])
        cpu = _cpu_seconds(client) - before
        held: Any = client.memory_usage("blocks", samples=0)
    return int(held), cpu


def _cpu_seconds(client: redis.Redis) -> float:
    info: Any = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _table(costs: Sequence[Cost]) -> Table:
    shown = Table(caption="microseconds and bytes a trade", box=None)
    for head in ("encoding", "block", "encode", "decode", "bytes", "in Redis", "Redis CPU"):
        shown.add_column(head, justify="right")
    shown.add_column("replace one, µs", justify="right")
    for cost in costs:
        shown.add_row(
            cost.encoding,
            str(cost.block),
            f"{cost.encode_us:.2f}",
            f"{cost.decode_us:.2f}",
            f"{cost.bytes:.0f}",
            f"{cost.redis_bytes:.0f}",
            f"{cost.redis_us:.2f}",
            f"{cost.replace_us:.0f}",
        )
    return shown
