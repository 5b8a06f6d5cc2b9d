"""Recorded loads: which jobs came when, and what their trades took. Read from NDJSON.

The first line of a file describes the load, each further line is a job. All that are shipped are
synthetic shapes, drawn after what grids at banks are said to see; none was recorded at one.
"""

from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class LoadJob:
    """One job of a load; times in seconds after its begin."""

    job: str
    at: float
    trades: int
    cost: float
    """Slot-seconds of a trade."""
    kind: str = "pvonly"
    by: float | None = None
    drift: float = 0.0
    """By what share the last trade is dearer than the first."""
    chunk: int = 100

    def cost_at(self, done: float) -> float:
        """What a trade takes when this share of them is done."""
        return self.cost * (1 + self.drift * done)


@dataclass(frozen=True, slots=True)
class Load:
    """A load, and the machines it meets."""

    name: str
    about: str
    seconds: float
    """For which the grid is watched, at least."""
    evictions: float = 0.0
    """Of a node, an hour, on average."""
    startup: tuple[float, float] = (150.0, 420.0)
    """Seconds that a node takes to serve: at least, at most."""
    jobs: list[LoadJob] = field(default_factory=list)


def names() -> list[str]:
    """The loads that are shipped."""
    folder = files("infra.controller").joinpath("loads")
    return sorted(f.name.removesuffix(".ndjson") for f in folder.iterdir() if f.name[0] != ".")


def read(name: str) -> Load:
    """A load that is shipped."""
    text = files("infra.controller").joinpath("loads", f"{name}.ndjson").read_bytes()
    return parse(text)


def parse(text: bytes) -> Load:
    """A load; raises ValueError if it is none."""
    try:
        head, *lines = [orjson.loads(line) for line in text.splitlines() if line.strip()]
        head = {**head, "startup": tuple(head.get("startup", (150.0, 420.0)))}
        jobs = sorted((LoadJob(**line) for line in lines), key=lambda job: job.at)
        return Load(**head, jobs=jobs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"no load: {error}") from error


def dump(load: Load) -> bytes:
    """The text of a load."""
    head: dict[str, Any] = {
        name: getattr(load, name) for name in ("name", "about", "seconds", "evictions", "startup")
    }
    lines = [head, *load.jobs]
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
