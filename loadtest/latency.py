"""How long requests took: a histogram with three digits at every magnitude (HDR).

Merging histograms loses nothing, so that several clients have percentiles of all they did. Whoever
records counts from when a request was *planned*, not from when it was sent: a system that stalls
also holds up the senders, and what they send late would look as if it had been quick (coordinated
omission; Gil Tene, "How NOT to Measure Latency", 2013).
"""

from collections.abc import Iterable
from typing import Any, Self

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it ships none

_LOW, _HIGH = 1, 3_600_000_000
"""In microseconds: up to an hour."""

_DIGITS = 3


class Latency:
    """Times of requests, in seconds; kept in microseconds."""

    def __init__(self) -> None:
        # HdrHistogram has no types.
        self._histogram: Any = HdrHistogram(_LOW, _HIGH, _DIGITS)

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def record(self, seconds: float) -> None:
        """Take in one; what is below a microsecond or above an hour counts as just that."""
        self._histogram.record_value(round(min(max(seconds * 1e6, _LOW), _HIGH)))

    def percentile(self, percent: float) -> float:
        """The seconds within which so many percent of them were done, to three digits.

        Raises ValueError if there are none.
        """
        if not len(self):
            raise ValueError("nothing was recorded: it has no percentiles")
        return float(self._histogram.get_value_at_percentile(percent)) / 1e6

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """All of several together."""
        whole = cls()
        for part in parts:
            whole._histogram.add(part._histogram)
        return whole

    def encode(self) -> bytes:
        """As it travels from one process to another, or is kept: the HDR log format, compressed."""
        return bytes(self._histogram.encode())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one back.

        Raises ValueError if it is none.
        """
        read = cls()
        try:
            read._histogram = HdrHistogram.decode(data)
        except Exception as error:  # Whatever its base64, zlib and header make of strange bytes.
            raise ValueError(f"no histogram: {data[:40]!r}") from error
        return read
