"""Waiting on a condition, with a deadline.

What may live here: how tests wait, and what they wait for. No test sleeps and hopes.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")

_POLL_SECONDS = 0.005


def eventually(predicate: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Call ``predicate`` until it gives something true, and return that.

    Raises AssertionError, saying ``what`` was waited for, after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or predicate}")
        time.sleep(_POLL_SECONDS)
    return value


def gone(pid: int) -> bool:
    """Whether the process ended; an orphan stays a zombie for a while, or where nobody reaps."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
