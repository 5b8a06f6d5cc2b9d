"""The audit of a run's controllers: one acted at a time, and nobody was started twice. Pure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any


def audit_controls(
    events: Sequence[Mapping[str, Any]],
    seen: Sequence[Mapping[str, frozenset[int]]],
    floor: int,
    ceiling: int,
) -> list[str]:
    """Findings.

    ``events`` are what all controllers have logged, by time; ``seen`` the process IDs of each
    consumer of the crew, at one look after another.
    """
    sets = [event for event in events if event.get("event") == "set"]
    tokens = [int(event["token"]) for event in sets]
    back = [after for before, after in pairwise(tokens) if after < before]
    decided = [int(e["consumers"]) for e in events if e.get("event") == "decided"]
    beyond = sorted({number for number in decided if not floor <= number <= ceiling})
    most = max((len(look) for look in seen), default=0)
    findings = []
    if back:
        findings.append(f"controllers: {len(back)} acts of a leader after the next one's")
    if twice := _twice(seen):
        findings.append(f"controllers: started twice at once: {', '.join(twice)}")
    if beyond:
        findings.append(f"controllers: decided on {beyond}, not within {floor} and {ceiling}")
    # As many again may be on their way out, who finish what they price.
    if most > 2 * ceiling:
        findings.append(f"controllers: {most} consumers at once, where {ceiling} are allowed")
    if not sets:
        findings.append("controllers: none has ever started a consumer")
    return findings


def _twice(seen: Sequence[Mapping[str, frozenset[int]]]) -> list[str]:
    """Consumers that are two processes at two looks in a row: at one, it may be its successor."""
    return sorted(
        {
            name
            for before, after in pairwise(seen)
            for name in before
            if len(before[name] & after.get(name, frozenset())) > 1
        }
    )
