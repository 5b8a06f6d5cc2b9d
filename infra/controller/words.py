"""What a controller tells a person, in one sentence. Pure."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from engine.count import plural
from infra.controller.model import Decision, Expectation, Observation

MINUTE = 60.0

NAMED = 3
"""Jobs, at most, where there may be many."""


def sentence(
    decision: Decision, seen: Observation, zone: tzinfo | None = None, *, currency: str = "USD"
) -> str:
    """What is decided, what comes of it, and what would do; times in ``zone``, or here."""
    if seen.calls is not None:
        words = [f"{_consumers(decision.consumers)} for realtime"]
    elif not seen.left:
        words = [f"nothing to do: {_consumers(decision.consumers)}"]
    else:
        words = [_expected(decision, zone, currency), _late(decision, zone)]
    words += [_stuck(decision), *_lost(seen)]
    told = "; ".join(word for word in words if word)
    return told if seen.calls is None and not seen.left else _bounded(told, decision)


def _expected(decision: Decision, zone: tzinfo | None, currency: str) -> str:
    number = _consumers(decision.consumers)
    if decision.probing:
        return f"{number} to measure what trades of {_jobs(decision.unmeasured)} cost"
    if not decision.consumers and not decision.jobs:
        return f"{number}"
    money = f", {decision.cost:,.2f} {currency}" if decision.cost is not None else ""
    last = max((job.at for job in decision.jobs), default=decision.at)
    if last == float("inf"):
        return f"not done with {number}"
    return f"done at {_clock(last, decision.at, zone)} with {number}{money}"


def _jobs(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"job {names[0]}"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"jobs {', '.join(names[:NAMED])}{more}"


def _late(decision: Decision, zone: tzinfo | None) -> str:
    """Which deadline is missed and by how much; if none, what would just meet the tightest."""
    told = [job for job in decision.jobs if job.due is not None]
    if not told or decision.probing:
        return ""
    worst = max(told, key=lambda job: job.late)
    due = _clock(worst.due or 0.0, decision.at, zone)
    if worst.late > 0:
        return f"job {worst.job} will be late, {_after(worst)} {due}{_would(decision)}"
    if decision.least is not None and decision.least < decision.consumers:
        due = _clock(max(job.due or 0.0 for job in told), decision.at, zone)
        return f"{decision.least} would make it by {due}"
    return ""


def _after(job: Expectation) -> str:
    return "not done by" if job.late == float("inf") else f"{_span(job.late)} after"


def _would(decision: Decision) -> str:
    if decision.least is None:
        return ", which no number of consumers changes any more"
    return f", {decision.least} would make it" if decision.least > decision.consumers else ""


def _stuck(decision: Decision) -> str:
    does = "does" if decision.stuck == 1 else "do"
    return f"{_consumers(decision.stuck)} asked for {does} not start" if decision.stuck else ""


def _lost(seen: Observation) -> list[str]:
    """What a person has to do: no consumer can work on what has no entries."""
    return [
        f"job {demand.job} has lost its entries: `azfinsim job resume {demand.job}`"
        for demand in seen.demands
        if demand.lost
    ]


def _bounded(words: str, decision: Decision) -> str:
    return f"{words}; no more because of {decision.bound}" if decision.bound is not None else words


def _consumers(number: int) -> str:
    return plural(number, "consumer") if number else "no consumer"


def _span(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    minutes = seconds / MINUTE
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _clock(moment: float, now: float, zone: tzinfo | None) -> str:
    try:
        at, today = datetime.fromtimestamp(moment, zone), datetime.fromtimestamp(now, zone)
    except (ValueError, OverflowError, OSError):
        return "a time that no calendar has"
    return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"
