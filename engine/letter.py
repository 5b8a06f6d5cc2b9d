"""Dead letters: what is kept of a trade that was given up, for a person to look into. Pure."""

from dataclasses import asdict, dataclass, fields
from typing import Self

import orjson

from engine.codec import loads
from engine.pricing.reasons import kept

MOST_TRACEBACK = 2000
"""Characters of a traceback that are kept, from where the thread was."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Why a trade is dead."""

    trade: int
    reason: str
    attempts: int
    """How often it was begun."""
    consumer: str
    """Who has given it up."""
    traceback: str = ""
    """Where its process was when it died or was killed, the innermost call first; "" if that could
    not be told, as after SIGKILL."""

    def to_json(self) -> bytes:
        """The letter as it is stored."""
        shown = {"reason": kept(self.reason), "traceback": bounded(self.traceback)}
        return orjson.dumps({**asdict(self), **shown})

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a stored letter; raises ValueError if it is none."""
        stored = loads(data)
        if not isinstance(stored, dict):
            raise ValueError("a dead letter is stored as a JSON object")
        for name, type_ in _TYPES.items():
            if not isinstance(stored.get(name), type_) or isinstance(stored.get(name), bool):
                raise ValueError(f"a dead letter has {name} {stored.get(name)!r:.60}")
        return cls(**{f.name: stored[f.name] for f in fields(cls)})


_TYPES = {"trade": int, "reason": str, "attempts": int, "consumer": str, "traceback": str}


def bounded(traceback: str) -> str:
    """What a letter keeps of a traceback."""
    return traceback[:MOST_TRACEBACK].encode(errors="replace").decode()
