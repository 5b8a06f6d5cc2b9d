"""Reading scenarios: ready ones and files, what the command line puts in place of their keys."""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from loadtest.objective import Objective
from loadtest.scenario import PARTS, SHORT, PhasePart, RealtimePart, Scenario, rules

SECONDS = 10.0
"""How long is measured if nobody says."""

RATE = 50.0
"""Calls a second, likewise."""

MOST_TIMES = 1_000_000
"""Calls of a trace, which each generator is sent."""

LONGEST_NAME = 50
"""Letters: of the four bytes that one may have, a file's name takes 255."""

Table = dict[str, Any]


def ready() -> dict[str, str]:
    """The scenarios that are ready: name -> what it is about."""
    found = {}
    for file in files("loadtest").joinpath("scenarios").iterdir():
        name, _, kind = file.name.rpartition(".")
        if kind == "toml":
            found[name] = str(tomllib.loads(file.read_text("utf-8")).get("about", ""))
    return dict(sorted(found.items()))


def load(
    name: str, changes: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> Scenario:
    """A ready scenario, or that in a file, with changes.

    ``changes`` are as ``--set`` has them, ``realtime.rate=100``; ``given`` is by key, and comes
    last. Raises UsageError that names key, value and the way out.
    """
    path = Path(name)
    if name in ready():
        text = files("loadtest").joinpath("scenarios", f"{name}.toml").read_text("utf-8")
    else:
        text = _text_of(path)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # It has no words of its own for nesting without end, or for a number of many digits.
        raise UsageError(f"{path} is no TOML: {error}") from None
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign:
            raise UsageError(f"--set {change}: must be KEY=VALUE, as in --set realtime.rate=100")
        put(table, key.strip(), _value(value.strip()))
    for key, value in (given or {}).items():
        put(table, key, value)
    scenario = build(table, path.stem)
    folder = path.parent if name not in ready() else Path()
    return _complete(
        replace(scenario, phases=tuple(_read_trace(p, folder) for p in scenario.phases))
    )


def put(table: Table, key: str, value: Any) -> None:
    """Put a value in the place of a key; ``false`` in that of a part takes it out."""
    part, _, name = key.rpartition(".")
    if not part:
        if name in PARTS and value is False:
            table.pop(name, None)
        else:
            table[name] = value
        return
    inner = table[part] = _whole(part, table.get(part, {}))
    if not isinstance(inner, dict):
        raise UsageError(f"{key}: {part} is no table with keys of its own, so give it whole")
    inner[name] = value


def build(table: Table, name: str) -> Scenario:
    """A scenario from what TOML gave; raises UsageError that names key and value."""
    table = {"name": name, **table}
    parts = {part: table.pop(part) for part in PARTS if part in table}
    fields = _keys(Scenario, table, "")
    for part, stored in parts.items():
        stored = _whole(part, stored)
        if part == "phases":
            if not isinstance(stored, list):
                raise UsageError("phases: must be a list of tables, each below [[phases]]")
            fields[part] = tuple(
                _part(PhasePart, each, f"phases[{number}]") for number, each in enumerate(stored)
            )
        else:
            fields[part] = _part(PARTS[part], stored, part)
    return Scenario(**fields)


def _whole(part: str, stored: Any) -> Any:
    """A part as a table, where a number may stand for it."""
    return {SHORT[part]: stored} if part in SHORT and type(stored) is int else stored


def _part(part: type, stored: Any, place: str) -> Any:
    if not isinstance(stored, dict):
        raise UsageError(f"{place} is {stored!r}: must be a table of keys")
    return part(**_keys(part, stored, place))


def _keys(part: type, stored: Mapping[str, Any], place: str) -> Table:
    """The fields of a part from its keys, each by its rule."""
    known, dot = rules(part), "." if place else ""
    for name, value in stored.items():
        if name not in known:
            raise UsageError(f"{place}{dot}{name}: {_unknown(name, part)}")
        if not known[name].allows(value):
            raise UsageError(f"{place}{dot}{name} is {value!r}: must be {known[name].told}")
    python = {field.name.rstrip("_"): field.name for field in dataclasses.fields(part)}
    return {python[name]: value for name, value in stored.items()}


def _unknown(name: str, part: type) -> str:
    known = list(rules(part)) + ([table for table in PARTS if table] if part is Scenario else [])
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return f"there is no such key. {meant}There are {', '.join(known)}"


def _complete(scenario: Scenario) -> Scenario:
    """Fill in what follows from the rest, and check what hangs together."""
    if "/" in scenario.name or not scenario.name.isprintable() or len(scenario.name) > LONGEST_NAME:
        raise UsageError(
            f"name is {scenario.name!r}: must be the beginning of a file's name, printable, "
            f"without a slash, and at most {LONGEST_NAME} long"
        )
    if scenario.realtime is None and scenario.bulk is None:
        raise UsageError(
            "the scenario has no load: give it [realtime], [bulk], or both, as in "
            "--set realtime.rate=100"
        )
    _check_objectives(scenario)
    seconds = scenario.seconds
    phases = scenario.phases or (
        PhasePart(
            name="steady",
            seconds=seconds or SECONDS,
            rate=(scenario.realtime and scenario.realtime.rate) or RATE,
        ),
    )
    stretched = 1.0 if seconds is None else seconds / sum(phase.seconds for phase in phases)
    phases = tuple(_stretched(phase, stretched) for phase in phases)
    scenario = replace(scenario, phases=phases, seconds=None)
    if scenario.realtime is None:
        return scenario
    if scenario.realtime.generators + scenario.realtime.join == 0:
        raise UsageError("realtime.generators is 0: somebody must send, here or by realtime.join")
    return _scaled(scenario, scenario.realtime)


def _scaled(scenario: Scenario, realtime: RealtimePart) -> Scenario:
    """Raise or lower the rates of the phases to the one that is asked for, their ratio kept."""
    peak = scenario.peak
    traced = any(phase.times for phase in scenario.phases)
    if not peak and not traced:
        raise UsageError("the rate of all phases is 0: give one of them a rate above 0")
    if realtime.rate is None or not peak:
        return replace(scenario, realtime=replace(realtime, rate=peak or None))
    return at_rate(scenario, realtime.rate)


def at_rate(scenario: Scenario, rate: float) -> Scenario:
    """The same with this for its highest rate, and the others in proportion."""
    assert scenario.realtime is not None
    factor = rate / scenario.peak
    names = ("rate", "from_", "to", "peak")
    phases = tuple(
        replace(phase, **{name: getattr(phase, name) * factor for name in names})
        for phase in scenario.phases
    )
    return replace(scenario, phases=phases, realtime=replace(scenario.realtime, rate=rate))


def _stretched(phase: PhasePart, factor: float) -> PhasePart:
    times = tuple(moment * factor for moment in phase.times)
    return replace(phase, seconds=phase.seconds * factor, times=times)


def _check_objectives(scenario: Scenario) -> None:
    for text in scenario.objectives:
        measure = Objective.parse(text).measure
        room = measure.partition(".")[0]
        needed = {"bulk": scenario.bulk, "lost": True}.get(room, scenario.realtime)
        if not needed:
            part = "bulk" if room == "bulk" else "realtime"
            raise UsageError(
                f"objective {text!r}: the scenario has no [{part}], so {measure} is not measured: "
                f"leave the objective out, or add a [{part}]"
            )


def _read_trace(phase: PhasePart, folder: Path) -> PhasePart:
    if phase.kind != "trace":
        return phase
    if not phase.file:
        raise UsageError('a phase of kind trace has no file: add file = "times.txt"')
    path = folder / phase.file
    times: list[float] = []
    for number, line in enumerate(_text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            moment = float(line)
        except ValueError:
            moment = -1.0
        if not moment >= (times[-1] if times else 0.0) or moment >= phase.seconds:
            raise UsageError(
                f"{path}, line {number} is {line.strip()[:40]!r}: must be seconds from 0 to below "
                f"the phase's {phase.seconds:g}, and no less than the line before"
            )
        times.append(moment)
        if len(times) > MOST_TIMES:
            raise UsageError(f"{path} has more than {MOST_TIMES:,} times: part it into phases")
    if not times:
        raise UsageError(f"{path} has no times: write the seconds of each call, one a line")
    return replace(phase, times=tuple(times))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8") from None
    except OSError as error:
        known: Iterable[str] = ready()
        close = difflib.get_close_matches(str(path), known, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"{path} cannot be read: {error.strerror}. {meant}Ready scenarios are "
            f"{', '.join(known)}"
        ) from None


def _value(text: str) -> Any:
    """A value as TOML reads it; what is none is a text, for which nobody likes to quote quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
