"""What ``azfinsim book`` tells: its reports in words, and the records that it kept out."""

from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from engine.edge import note
from engine.ids import Ids
from producer.load import Batch, Rejected
from producer.ndjson import Output

TOLD = 20
"""Faults told on the terminal; the others are only counted."""


class Tally:
    """Counts what is injected, and tells of the records that are kept out."""

    def __init__(self, faults: Output | None) -> None:
        self.written = 0
        self.rejected = 0
        self._faults = faults
        self._ids: list[Ids] = []

    @property
    def records(self) -> int:
        return self.written + self.rejected

    @property
    def duplicates(self) -> int:
        """Trades that a later one of the same file has replaced."""
        return self.written - len(np.unique(np.concatenate([*self._ids, []])))

    def add(self, batch: Batch) -> None:
        """Count a batch that is stored."""
        self.written += len(batch.trades.ids)
        self._ids.append(np.asarray(batch.trades.ids, dtype=np.int64))
        for rejected in batch.rejected:
            self.rejected += 1
            if self.rejected <= TOLD:
                note(str(rejected))
            if self._faults:
                self._faults.write(_fault_line(rejected))

    def conclude(self) -> None:
        """Say how many faults were not told."""
        if self.rejected > TOLD:
            hint = "" if self._faults else "; --faults FILE keeps them all"
            note(f"… and {self.rejected - TOLD:,} more{hint}")


def _fault_line(rejected: Rejected) -> bytes:
    fault = {
        "line": rejected.line,
        "field": rejected.field,
        "value": rejected.value,
        "problem": rejected.problem,
    }
    return orjson.dumps(fault, option=orjson.OPT_APPEND_NEWLINE)


def pace(count: int, seconds: float) -> dict[str, float]:
    """The part of a report that says how long it took."""
    rate = count / seconds if seconds > 0 else 0.0
    return {"seconds": round(seconds, 3), "trades_per_second": round(rate, 1)}


def in_words(report: Mapping[str, object]) -> str:
    """The report of a command that wrote trades, as one line."""
    where = report.get("file") if "trades" not in report else f"book {report['book']}"
    text = f"{where}: {_counted(report, 'written')} trades written in {report['seconds']} s"
    text += f" ({_counted(report, 'trades_per_second')}/s)"
    if report.get("duplicates"):
        text += f", {_counted(report, 'duplicates')} of them replaced by later ones of the file"
    if report.get("rejected"):
        text += f", {_counted(report, 'rejected')} records kept out"
    if "trades" in report:
        text += f"; it holds {_counted(report, 'trades')} trades now"
    return text


def _counted(report: Mapping[str, object], name: str) -> str:
    return f"{report[name]:,.0f}"


def table(books: Sequence[Mapping[str, object]]) -> str:
    """The books and their trades, one a line."""
    return "\n".join(f"{book['trades']:>15,}  {book['book']}" for book in books) or "no books"
