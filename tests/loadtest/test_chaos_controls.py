"""The audit of a run's controllers finds what it is there to find."""

from typing import Any

import pytest

from loadtest.chaos.audit_controls import audit_controls

LOOK = {"chaos/1": frozenset({7}), "chaos/2": frozenset({8})}


def event(name: str, consumers: int = 1, token: int = 5) -> dict[str, Any]:
    return {"event": name, "consumers": consumers, "token": token}


GOOD = [event("leading"), event("decided", 2), event("set", 2), event("set", 1, token=6)]


def found(events: list[dict[str, Any]], *looks: dict[str, frozenset[int]]) -> str:
    return "\n".join(audit_controls(events, looks, 1, 2))


def test_nothing_is_found_in_a_good_run() -> None:
    successor = {"chaos/1": frozenset({7, 9})}
    assert found(GOOD, LOOK, successor, {"chaos/1": frozenset({9})}) == ""


@pytest.mark.parametrize(
    ("events", "looks", "finding"),
    [
        ([*GOOD, event("set", token=5)], [], "1 acts of a leader after the next one's"),
        ([*GOOD, event("decided", 3)], [], "decided on [3], not within 1 and 2"),
        ([*GOOD, event("decided", 0)], [], "decided on [0], not within 1 and 2"),
        (GOOD, [{"a/1": frozenset({1, 2})}] * 2, "started twice at once: a/1"),
        (GOOD, [{f"a/{n}": frozenset({n}) for n in range(5)}], "5 consumers at once"),
        (GOOD[:2], [], "none has ever started a consumer"),
    ],
)
def test_it_finds(events: list[dict[str, Any]], looks: Any, finding: str) -> None:
    assert finding in found(events, *looks)
