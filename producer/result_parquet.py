"""Result records as Parquet: typed columns, and the job they come from in the file's metadata."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.job import Job
from producer.result_files import columns_of
from producer.results import Record

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 100_000
"""Records of a row group: what is held in memory, and what a reader may skip."""

_INTEGERS = ("id", "paths", "attempts")
_TEXTS = ("outcome", "reason")


class Parquet:
    """Writes one file; all that is not a number known to be whole or a text is a float64."""

    def __init__(self, job: Job, own: Sequence[str], *, reproducible: bool) -> None:
        """Raises UsageError if pyarrow is not installed."""
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise UsageError(
                "--format parquet: pyarrow is not installed: pip install 'azfinsim[parquet]'"
            ) from None

        def kind(name: str) -> "pa.DataType":
            if name in _INTEGERS:
                return pa.int64()
            return pa.string() if name in _TEXTS else pa.float64()

        names = columns_of(own, reproducible=reproducible)
        fields = [
            pa.field(name, kind(name), nullable=name not in ("id", "outcome")) for name in names
        ]
        self._schema = pa.schema(fields, metadata={"azfinsim.job": job.to_json()})
        self._table = pa.Table.from_pylist
        self._sink = io.BytesIO()
        self._writer = parquet.ParquetWriter(_Unclosed(self._sink), self._schema)
        self._rows: list[Record] = []

    def begin(self) -> bytes:
        return self._taken()

    def lines(self, records: Sequence[Record]) -> bytes:
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
        self._writer.write_table(self._table(self._rows, schema=self._schema))
        self._rows = []

    def _taken(self) -> bytes:
        """What was written since it was asked last."""
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


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
