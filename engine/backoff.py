"""How long to wait before a server that does not answer is asked again. Pure, but for chance."""

import random

FIRST_DELAY, LONGEST_DELAY = 0.05, 2.0
"""Seconds."""


def delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row; jittered, lest a thousand consumers knock
    at the same moment."""
    longest = min(FIRST_DELAY * 2.0 ** min(failures, 10), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)
