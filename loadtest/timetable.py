"""When a scenario's calls are to be sent: seconds from when its measurement begins. Pure."""

from collections.abc import Iterator
from itertools import islice

from loadtest.record import Phase
from loadtest.scenario import PhasePart, Scenario
from loadtest.schedule import Segment, arrivals, rate_at

WARM_UP = "warm-up"


def planned(scenario: Scenario, *, share: int = 0, of: int = 1) -> Iterator[float]:
    """The times of one generator's calls, those of the warm-up below 0.

    All generators together send what one would: each takes every so many calls.
    """
    return islice(_planned(scenario), share, None, of)


def planned_rate(scenario: Scenario, moment: float) -> float:
    """Calls a second that are planned at a moment."""
    if moment < 0:
        return first_rate(scenario) if moment >= -scenario.warm_up else 0.0
    for phase, began in _begun(scenario):
        if began <= moment < began + phase.seconds:
            if phase.times:
                return len(phase.times) / phase.seconds
            return rate_at(phase.segments(), moment - began)
    return 0.0


def first_rate(scenario: Scenario) -> float:
    """That of the warm-up: where the first phase begins, or of a trace its mean."""
    if scenario.realtime is None:
        return 0.0
    phase = scenario.phases[0]
    if phase.times:
        return len(phase.times) / phase.seconds
    # A ramp may begin with none.
    return max(phase.segments()[0].first, 1.0)


def phases(scenario: Scenario) -> list[Phase]:
    """The phases as a record has them, the warm-up first."""
    told = [
        Phase(name=phase.title, from_=began, to=began + phase.seconds)
        for phase, began in _begun(scenario)
    ]
    if scenario.warm_up:
        told.insert(0, Phase(name=WARM_UP, from_=-float(scenario.warm_up), to=0.0))
    return told


def _planned(scenario: Scenario) -> Iterator[float]:
    if scenario.realtime is None:
        return
    by_chance = scenario.realtime.arrivals == "poisson"

    def times(segments: list[Segment], number: int) -> Iterator[float]:
        return arrivals(segments, seed=1000 * scenario.seed + number if by_chance else None)

    if scenario.warm_up:
        rate = first_rate(scenario)
        for moment in times([Segment(scenario.warm_up, rate, rate)], 0):
            yield moment - scenario.warm_up
    for number, (phase, began) in enumerate(_begun(scenario), start=1):
        for moment in phase.times or times(phase.segments(), number):
            yield began + moment


def _begun(scenario: Scenario) -> Iterator[tuple[PhasePart, float]]:
    """The phases, and when each begins."""
    began = 0.0
    for phase in scenario.phases:
        yield phase, began
        began += phase.seconds
