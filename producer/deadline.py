"""Deadlines as people write them. Pure."""

import re
from datetime import datetime, time, timedelta

from engine.errors import UsageError

_AFTER = re.compile(r"\+(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

WAYS = "06:00, 2026-11-23T06:00Z or +2h"


def parse_deadline(text: str, now: datetime) -> float:
    """The Unix time in seconds that ``text`` names.

    ``HH:MM`` is the next such time on this machine's clock, which a date and time without an offset
    are of too; ``+2h`` counts from ``now`` (s, m, h or d), which has an offset. Raises UsageError
    if it is none of these, or has passed.
    """
    moment = _moment(text.strip(), now)
    if moment is None:
        raise UsageError(f"--by {text[:40]}: must be a time such as {WAYS}")
    if moment <= now:
        raise UsageError(f"--by {text[:40]}: has passed, it is {now:%Y-%m-%dT%H:%M%z}")
    return moment.timestamp()


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        if after := _AFTER.fullmatch(text):
            return now + timedelta(seconds=float(after[1]) * _SECONDS[after[2]])
        if ":" in text and "-" not in text and "+" not in text and "T" not in text.upper():
            # Python wants two digits of the hour, people often write one.
            return _next(time.fromisoformat(text if text[1:2] != ":" else f"0{text}"), now)
        moment = datetime.fromisoformat(text)
        # A date alone is no deadline: is it the day's begin or its end?
        if ":" not in text:
            return None
        return moment.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _next(at: time, now: datetime) -> datetime | None:
    if at.tzinfo is not None:
        return None
    today = datetime.combine(now.astimezone().date(), at)
    moment = today.astimezone()
    return moment if moment > now else (today + timedelta(days=1)).astimezone()
