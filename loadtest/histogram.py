"""The histogram that a record holds. Pure."""

from engine.errors import UsageError
from loadtest.latency import Latency
from loadtest.record import Times


def histogram(times: Times) -> Latency:
    """All of the times; raises UsageError if a record has been made by hand, and that badly."""
    try:
        return Latency.decode(times.hdr.encode())
    except ValueError as error:
        raise UsageError(f"the record holds a histogram that cannot be read: {error}") from None
