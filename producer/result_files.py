"""Result records as text: NDJSON or CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

import orjson

from producer.results import Record

COLUMNS = (
    *("id", "outcome", "pv", "se", "delta", "delta_se", "vega", "vega_se", "paths"),
    *("attempts", "ms", "reason"),
)
"""The first columns of CSV; what does not apply to a trade is left empty there."""

VARYING = ("attempts", "ms")
"""What differs from run to run; all else is the price."""

Format = Callable[[Sequence[Record]], bytes]
"""Writes records, each on a line of its own."""


def ndjson(*, reproducible: bool, own: Sequence[str] = ()) -> tuple[bytes, Format]:
    """What stands before the first record, and the format of each; likewise ``csv_lines``.

    ``reproducible`` leaves out what differs from run to run; ``own`` are the figures that only the
    job's pricer knows.
    """

    def lines(records: Sequence[Record]) -> bytes:
        if reproducible:
            for record in records:
                for name in VARYING:
                    record.pop(name, None)
        return b"".join([orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in records])

    return b"", lines


def csv_lines(*, reproducible: bool, own: Sequence[str] = ()) -> tuple[bytes, Format]:
    """As ``ndjson``, for CSV; numbers are written as in JSON, so that none loses a digit."""
    columns = [name for name in COLUMNS if not (reproducible and name in VARYING)] + list(own)

    def lines(records: Sequence[Record]) -> bytes:
        return _csv([record.get(name) for name in columns] for record in records)

    return _csv([columns]), lines


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def own_figures(records: Iterable[Record]) -> set[str]:
    """The names in the records that have no column of their own in every CSV."""
    names: set[str] = set().union(*records)
    return names.difference(COLUMNS)


FORMATS = {"ndjson": ndjson, "csv": csv_lines}
