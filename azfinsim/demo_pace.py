"""How many paths the demo can afford, by trying the pricer for a moment."""

import time
from dataclasses import replace

import numpy as np

from engine.edge import note
from engine.job import Job
from engine.pricing.pricer import Batch, Request
from engine.pricing.registry import find
from engine.trade import WARRANT, check
from producer.generate import generate

SECONDS = 100.0
"""That pricing may take; with the rest the demo then takes about two minutes."""

TRIED = 20
"""Trades."""

TRIED_PATHS = 2_000

FEWEST, MOST = 100, 10_000
"""Paths; the most is what the generated trades ask for themselves."""


def paths_for(request: Job, trades: int, cores: int) -> Job:
    """The job with as many paths as fit into ``SECONDS``; as it is if its pricer takes none."""
    pricer = find(request.algorithm)
    if "paths" not in pricer.schema:
        return request
    note("trying the pricer (the first time, it is compiled) …")
    sample = generate(0, 0, TRIED)
    checked = check(sample.columns, WARRANT, TRIED)
    batch = Batch(np.asarray(sample.ids, dtype=np.int64), checked.columns)
    pricer.price(batch, Request(paths=1))
    began = time.perf_counter()
    pricer.price(batch, Request(paths=TRIED_PATHS))
    seconds_per_path = (time.perf_counter() - began) / (TRIED * TRIED_PATHS)
    paths = affordable(seconds_per_path, trades, cores)
    return replace(request, paths=paths)


def affordable(seconds_per_path: float, trades: int, cores: int) -> int:
    """Paths a trade that fit into ``SECONDS``, to one digit: 437 paths would look considered."""
    paths = SECONDS * cores / (trades * seconds_per_path)
    digit = 10 ** int(np.log10(max(paths, 1.0)))
    return int(min(max(paths // digit * digit, FEWEST), MOST))
