"""How long requests took: a histogram with three digits at every magnitude (HDR).

Merging histograms loses nothing, so that several clients have percentiles of all they did. Whoever
records counts from when a request was *planned*, not from when it was sent: a system that stalls
also holds up the senders, and what they send late would look as if it had been quick (coordinated
omission; Gil Tene, "How NOT to Measure Latency", 2013).

The counts are ours, as an array, which takes in hundreds at a time; the library's histogram, whose
layout they have, is made only to be written or read.
"""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it ships none
from numpy.typing import NDArray

from loadtest.record import Times

_LOW, _HIGH = 1, 3_600_000_000
"""In microseconds: up to an hour."""

_DIGITS = 3

_PRECISION = 11
"""Bits of a value that three digits take: what differs only in those below counts as one value."""

_HALF = 1 << (_PRECISION - 1)
"""Places of each power of two."""

_PLACES = 23_552
"""Of the whole range."""

_AT_ONCE = 500
"""Times that are gathered before they are counted, which costs a fraction of counting each."""


class Latency:
    """Times of requests, in seconds; kept in microseconds."""

    def __init__(self) -> None:
        self._counted: NDArray[np.int64] = np.zeros(_PLACES, dtype=np.int64)
        self._total = 0
        self._fresh: list[float] = []

    def __len__(self) -> int:
        return self._total + len(self._fresh)

    def record(self, seconds: float) -> None:
        """Take in one; what is below a microsecond or above an hour counts as just that."""
        self._fresh.append(seconds)
        if len(self._fresh) >= _AT_ONCE:
            self._count()

    def percentile(self, percent: float) -> float:
        """The seconds within which so many percent of them were done, to three digits.

        Raises ValueError if there are none.
        """
        [found] = self.percentiles(percent)
        return found

    def percentiles(self, *percents: float) -> list[float]:
        """Several percentiles; raises ValueError as ``percentile`` does."""
        if not len(self):
            raise ValueError("nothing was recorded: it has no percentiles")
        upto = np.cumsum(self._counts)
        # As the library rounds: half a request is one.
        wanted = [max(int(percent / 100 * len(self) + 0.5), 1) for percent in percents]
        return [_longest(int(place)) / 1e6 for place in np.searchsorted(upto, wanted)]

    def times(self) -> Times:
        """The figures of a record, and the histogram itself."""
        if not len(self):
            return Times()
        p50, p90, p99, p999, longest = self.percentiles(50, 90, 99, 99.9, 100)
        [places] = np.nonzero(self._counts)
        middles = [(_shortest(place) + _longest(place) + 1) // 2 for place in places.tolist()]
        return Times(
            count=len(self),
            mean=float(np.average(middles, weights=self._counts[places])) / 1e6,
            p50=p50,
            p90=p90,
            p99=p99,
            p999=p999,
            max=longest,
            hdr=self.encode().decode("ascii"),
        )

    def add(self, other: "Latency") -> None:
        """Take in what another one has recorded."""
        if len(other):
            self._counted += other._counts
            self._total += other._total

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """All of several together."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    def encode(self) -> bytes:
        """As it travels from one process to another, or is kept: the HDR log format, compressed."""
        histogram: Any = HdrHistogram(_LOW, _HIGH, _DIGITS)
        np.ctypeslib.as_array(histogram.counts)[:] = self._counts
        [places] = np.nonzero(self._counts)
        if len(places):
            # It encodes up to its highest value.
            histogram.set_internal_tacking_values(int(places[0]), int(places[-1]), int(self._total))
        encoded = bytes(histogram.encode())
        _let_go(histogram)
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one back.

        Raises ValueError if it is none, or one of another range.
        """
        read = cls()
        try:
            histogram: Any = HdrHistogram.decode(data)
            counts = np.ctypeslib.as_array(histogram.counts)
            limits = (histogram.lowest_trackable_value, histogram.highest_trackable_value)
            if limits != (_LOW, _HIGH) or histogram.significant_figures != _DIGITS:
                raise ValueError(f"a range of {limits}")
            read._counted[: len(counts)] = counts[:_PLACES]
            _let_go(histogram)
        except Exception as error:  # Whatever its base64, zlib and header make of strange bytes.
            raise ValueError(f"no histogram: {data[:40]!r}") from error
        read._total = int(read._counted.sum())
        return read

    @property
    def _counts(self) -> NDArray[np.int64]:
        """How many there are in each place, all that was recorded."""
        if self._fresh:
            self._count()
        return self._counted

    def _count(self) -> None:
        microseconds = np.rint(np.clip(np.array(self._fresh) * 1e6, _LOW, _HIGH)).astype(np.int64)
        _, bits = np.frexp(microseconds)
        power = np.maximum(bits - _PRECISION, 0)
        np.add.at(self._counted, power * _HALF + (microseconds >> power), 1)
        self._total += len(self._fresh)
        self._fresh.clear()


def _shortest(place: int) -> int:
    """The least microseconds that are counted in a place."""
    power = max(place // _HALF - 1, 0)
    return (place - power * _HALF) << power


def _longest(place: int) -> int:
    """The most."""
    return _shortest(place) + (1 << max(place // _HALF - 1, 0)) - 1


def _let_go(histogram: Any) -> None:
    # It and its encoder hold each other, which some hundred kilobytes would outlive by minutes.
    del histogram.encoder
