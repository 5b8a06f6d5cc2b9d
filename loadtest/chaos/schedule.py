"""When which fault strikes whom: a function of the seed alone. Pure."""

import random
from collections.abc import Collection
from dataclasses import dataclass

SHORTEST, LONGEST = 1.5, 3.0
"""Seconds that a fault lasts before it is healed: more than a lease of the consumers."""

EARLY = 0.25
"""Of a schedule."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that strikes."""

    at: float
    """Seconds after the schedule has begun."""
    kind: str
    target: int
    """Whom it strikes, modulo the number of those that it can."""
    seconds: float
    """After which it is healed."""

    def __str__(self) -> str:
        return f"{self.at:6.2f} s  {self.kind} of {self.target} for {self.seconds:.2f} s"


def draw(
    seed: int,
    seconds: float,
    kinds: Collection[str],
    every: float,
    early: Collection[str] = (),
) -> list[Strike]:
    """A schedule of so many ``seconds``, in which a fault strikes ``every`` so many on average.

    Kinds are dealt like cards, so that each comes once before any comes twice; those that are
    ``early`` are dealt first, and come only in the first ``EARLY`` of the time. The same arguments
    give the same schedule, on every machine. No kinds give none.
    """
    late = sorted(set(kinds) - set(early))
    # A string, which Python hashes the same way in every release; random is never a secret here.
    chance = random.Random(f"chaos {seed}")
    deck: list[str] = []
    strikes: list[Strike] = []
    at = every * chance.uniform(0.5, 1.5)
    while (moment := round(at, 2)) < seconds:
        if not deck:
            deck = late[:]
            chance.shuffle(deck)
            if at < EARLY * seconds:
                deck += chance.sample(sorted(set(early)), len(set(early)))
        if not deck:
            break
        lasts = chance.uniform(SHORTEST, LONGEST)
        strikes.append(Strike(moment, deck.pop(), chance.randrange(1000), round(lasts, 2)))
        at += every * chance.uniform(0.5, 1.5)
    return strikes
