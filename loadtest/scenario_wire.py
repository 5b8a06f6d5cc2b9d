"""A scenario on its way to generators, which need not have its files. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadtest.scenario import Scenario, as_mapping
from loadtest.scenario_read import build


def to_wire(scenario: Scenario) -> dict[str, Any]:
    """As it travels."""
    return {
        "scenario": as_mapping(scenario),
        "times": [list(phase.times) for phase in scenario.phases],
    }


def from_wire(told: Mapping[str, Any]) -> Scenario:
    """Read one; raises UsageError if it is none that this version knows."""
    scenario = build(dict(told["scenario"]), "")
    phases = zip(scenario.phases, told["times"], strict=True)
    return replace(
        scenario, phases=tuple(replace(phase, times=tuple(times)) for phase, times in phases)
    )
