"""What the results of a demo add up to. Pure."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from producer.results import Record


@dataclass(slots=True)
class Tally:
    """Totals of result records, which it takes as they come."""

    accuracy: float | None = None
    """The relative standard error that was asked for."""
    pv_total: float = 0.0
    accuracy_missed: int = 0
    """Priced trades whose standard error is larger than asked for: their paths ran out."""
    _paths: "array[int]" = field(default_factory=lambda: array("q"))
    _errors: "array[float]" = field(default_factory=lambda: array("d"))
    """Relative standard errors, of the trades that have one: a PV of 0 has none."""

    def add(self, records: Sequence[Record]) -> None:
        """Count some records; they need not have any of the figures."""
        self.pv_total += sum([record["pv"] for record in records if "pv" in record])
        self._paths.extend([record["paths"] for record in records if "paths" in record])
        both = [record for record in records if "se" in record and "pv" in record]
        pairs = [(record["se"], abs(record["pv"])) for record in both]
        self._errors.extend([se / pv for se, pv in pairs if pv])
        if self.accuracy is not None:
            self.accuracy_missed += sum([se > self.accuracy * pv for se, pv in pairs])

    def report(self) -> dict[str, float | None]:
        """For ``--json``; None for what no trade has."""
        paths, errors = np.array(self._paths), np.array(self._errors)
        return {
            "accuracy": self.accuracy,
            "accuracy_missed": self.accuracy_missed if self.accuracy is not None else None,
            "paths_mean": round(float(paths.mean()), 1) if len(paths) else None,
            "paths_max": int(paths.max()) if len(paths) else None,
            "se_relative_median": _shown(np.median(errors)) if len(errors) else None,
            "se_relative_max": _shown(errors.max()) if len(errors) else None,
        }


def _shown(error: np.floating[Any]) -> float:
    """Three digits: an error has no more to say."""
    return float(f"{error:.3g}")
