"""Result records as Parquet: typed columns, and the job they come from in the file's metadata."""

import io
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING

import orjson

from engine.errors import ServerError, UsageError
from engine.job import Job
from producer.result_files import check_names, columns_of
from producer.results import Record

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 100_000
"""Records of a row group: what is held in memory, and what a reader may skip."""

_INTEGERS = ("id", "paths", "attempts")
_TEXTS = ("outcome", "reason")

_EXACT = 2**53
"""Up to which a float64 holds every whole number."""


class Kind(StrEnum):
    """What a column of an own pricer's figures holds."""

    NUMBER = "float64"
    TEXT = "string"
    TRUTH = "bool"
    JSON = "JSON, as a string"
    """Anything, each value as its JSON text: no type holds them all without loss."""


class Columns:
    """The names and kinds of an own pricer's figures, as seen in all records of a job."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._kinds: dict[str, Kind] = {}

    def see(self, records: Iterable[Record], names: Iterable[str]) -> None:
        """Take the values of these names into account."""
        self.names.update(names)
        for name in names:
            values = [v for record in records if (v := record.get(name)) is not None]
            for kind in set(map(_kind, values)):
                if self._kinds.setdefault(name, kind) is not kind:
                    self._kinds[name] = Kind.JSON

    def kind(self, name: str) -> Kind:
        """What a column holds; numbers if no trade has a value."""
        return self._kinds.get(name, Kind.NUMBER)


def _kind(value: object) -> Kind:
    if isinstance(value, bool):
        return Kind.TRUTH
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT):
        return Kind.NUMBER
    return Kind.TEXT if isinstance(value, str) else Kind.JSON


class Parquet:
    """Writes one file; of the known columns, what is no whole number and no text is a float64."""

    def __init__(self, job: Job, own: Columns, *, reproducible: bool) -> None:
        """Raises UsageError if pyarrow is not installed."""
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise UsageError(
                "--format parquet: pyarrow is not installed: pip install 'azfinsim[parquet]'"
            ) from None
        types = {Kind.NUMBER: pa.float64(), Kind.TRUTH: pa.bool_()}

        def kind(name: str) -> "pa.DataType":
            if name in own.names:
                return types.get(own.kind(name), pa.string())
            if name in _INTEGERS:
                return pa.int64()
            return pa.string() if name in _TEXTS else pa.float64()

        names = columns_of(sorted(own.names), reproducible=reproducible)
        fields = [
            pa.field(name, kind(name), nullable=name not in ("id", "outcome")) for name in names
        ]
        self._job, self._own = job.name, own.names
        self._array = pa.array
        self._as_json = [name for name in own.names if own.kind(name) is Kind.JSON]
        self._schema = pa.schema(fields, metadata={"azfinsim.job": job.to_json()})
        self._table = pa.Table.from_pylist
        self._wrong = (pa.ArrowException, TypeError, OverflowError)
        self._sink = io.BytesIO()
        self._writer = parquet.ParquetWriter(_Unclosed(self._sink), self._schema)
        self._rows: list[Record] = []

    def begin(self) -> bytes:
        return self._taken()

    def lines(self, records: Sequence[Record]) -> bytes:
        check_names(records, self._own)
        self._rows += records
        if len(self._rows) >= GROUP:
            self._write_group()
        return self._taken()

    def end(self) -> bytes:
        if self._rows:
            self._write_group()
        self._writer.close()
        return self._taken()

    def _write_group(self) -> None:
        for name in self._as_json:
            for row in self._rows:
                if row.get(name) is not None:
                    row[name] = orjson.dumps(row[name]).decode()
        try:
            for row in self._rows:
                _check_integers(row)
            self._writer.write_table(self._table(self._rows, schema=self._schema))
        except self._wrong as error:
            raise self._misfit(error) from None
        self._rows = []

    def _misfit(self, error: Exception) -> ServerError:
        """Says which value is none of its column's."""
        why = str(error)[:200]
        for row, field in product(self._rows, self._schema):
            try:
                _check_integers({field.name: row.get(field.name)})
                self._array([row.get(field.name)], field.type)
            except self._wrong:
                value = str(row[field.name])[:60]
                why = f"{field.name} of trade {row['id']} is {value!r}: must be {field.type}"
                break
        return ServerError(
            f"the results of job {self._job} cannot be written as parquet: {why}; "
            "--format ndjson writes them as they are"
        )

    def _taken(self) -> bytes:
        """What was written since it was asked last."""
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


def _check_integers(row: Record) -> None:
    # Arrow would cut off what is behind the point.
    for name in _INTEGERS:
        if isinstance(row.get(name), float):
            raise TypeError(f"{name} is no whole number")


class _Unclosed(io.RawIOBase):
    """A file that only grows, of which others take what is there."""

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]  # Arrow's own.
        self._size += len(data)
        return self._sink.write(data)

    def tell(self) -> int:
        return self._size
