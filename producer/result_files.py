"""Result records as text: NDJSON or CSV. Pure."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from engine.errors import ServerError
from producer.results import Record

COLUMNS = (
    *("id", "outcome", "pv", "se", "delta", "delta_se", "vega", "vega_se", "paths"),
    *("attempts", "ms", "reason"),
)
"""The first columns of a table; what does not apply to a trade is left empty there."""

VARYING = ("attempts", "ms")
"""What differs from run to run; all else is the price."""


class Format(Protocol):
    """A way to write records; made for one file."""

    def begin(self) -> bytes:
        """What stands before the first record."""

    def lines(self, records: Sequence[Record]) -> bytes:
        """Some records, or what they complete of those before."""

    def end(self) -> bytes:
        """What stands behind the last."""


@dataclass(frozen=True, slots=True)
class Ndjson:
    """JSON, a record a line."""

    reproducible: bool = False
    """Whether to leave out what differs from run to run."""

    def begin(self) -> bytes:
        return b""

    def lines(self, records: Sequence[Record]) -> bytes:
        if self.reproducible:
            for record in records:
                for name in VARYING:
                    record.pop(name, None)
        return b"".join([orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in records])

    def end(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Csv:
    """CSV with a header; numbers are written as in JSON, so that none loses a digit."""

    reproducible: bool = False
    own: Sequence[str] = ()
    """Figures that only the job's pricer knows."""

    def begin(self) -> bytes:
        return _csv([self._columns])

    def lines(self, records: Sequence[Record]) -> bytes:
        check_names(records, self.own)
        columns = self._columns
        return _csv([_cell(record.get(name)) for name in columns] for record in records)

    def end(self) -> bytes:
        return b""

    @property
    def _columns(self) -> list[str]:
        return columns_of(self.own, reproducible=self.reproducible)


def columns_of(own: Sequence[str], *, reproducible: bool) -> list[str]:
    """The columns of a table of records."""
    return [name for name in COLUMNS if not (reproducible and name in VARYING)] + list(own)


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """What CSV has no form for, as JSON."""
    return orjson.dumps(value).decode() if isinstance(value, bool | dict | list) else value


def check_names(records: Sequence[Record], own: Collection[str]) -> None:
    """Raise ServerError for figures that came after the columns were looked for."""
    known = {*COLUMNS, *own}
    for record in records:
        if not known.issuperset(record):
            raise ServerError(
                f"results with other figures ({', '.join(sorted(record.keys() - known))}) came "
                "while they were written: do it again, once the job has ended"
            )


def own_figures(records: Iterable[Record]) -> set[str]:
    """The names in the records that have no column of their own in every table."""
    names: set[str] = set().union(*records)
    return names.difference(COLUMNS)
