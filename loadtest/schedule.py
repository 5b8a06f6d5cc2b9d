"""When requests are to be sent: as seconds from the start, in their order. Pure.

A schedule is fixed before the first request is sent. What is slow to answer cannot put off the next
one, as it cannot put off the world's; see ``loadtest.open_loop`` for who keeps to it.
"""

from collections.abc import Iterator


def constant(rate: float, seconds: float) -> Iterator[float]:
    """``rate`` requests a second for so many seconds, the first one at once.

    Raises ValueError for a rate or a time that is not above 0.
    """
    if not (rate > 0 and seconds > 0):
        raise ValueError(f"{rate} a second for {seconds} s: both must be above 0")
    # A product for each, not a running sum: rounding does not add up over a long test.
    return (number / rate for number in range(round(rate * seconds)))
