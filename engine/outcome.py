"""What became of a trade, and the counts by which a job is audited. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """How a submitted trade ended; each ends in exactly one of these."""

    PRICED = "priced"
    REJECTED = "rejected"
    """It cannot be priced, and its record says why."""
    DEAD = "dead"
    """It was given up after too many deliveries: it kills or outlasts what prices it."""
    EXPIRED = "expired"
    """Its deadline passed before it was priced."""
    CANCELLED = "cancelled"


MOST = 2**53
"""Trades that a count may tell of: as many as there are IDs, and exact in every JSON reader."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trades of a job were submitted, and how they ended."""

    submitted: int = 0
    priced: int = 0
    rejected: int = 0
    dead: int = 0
    expired: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """Trades that have their outcome."""
        return self.priced + self.rejected + self.dead + self.expired + self.cancelled

    @property
    def failed(self) -> int:
        """Trades that have ended without a price though nobody has cancelled them."""
        return self.rejected + self.dead + self.expired

    @property
    def in_flight(self) -> int:
        """Trades submitted that are queued or being priced."""
        return self.submitted - self.ended

    def __add__(self, other: Self) -> "Counts":
        return Counts(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)),
        )

    @classmethod
    def read(cls, stored: Mapping[str, str]) -> Self:
        """The counts in a hash as stored; fields that are absent count 0.

        Raises ValueError if one is not a whole number, or none that trades could be counted by.
        """
        counts = {f.name: int(stored.get(f.name, 0)) for f in fields(cls)}
        for name, count in counts.items():
            if abs(count) > MOST:
                raise ValueError(f"{name} is {str(count)[:20]}: must be at most {MOST}")
        return cls(**counts)
