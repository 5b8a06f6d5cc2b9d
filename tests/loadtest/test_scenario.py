"""Scenarios: ready ones, files, and what the command line puts in the place of their keys."""

import dataclasses
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from loadtest.drivers import DRIVERS
from loadtest.objective import MEASURES
from loadtest.scenario import PARTS, Scenario, as_mapping, rules
from loadtest.scenario_read import at_rate, load, ready
from loadtest.scenario_wire import from_wire, to_wire
from loadtest.timetable import phases, planned, planned_rate

DOCS = Path(__file__).parents[2] / "docs" / "loadtest.md"


def written(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("name", ready())
def test_a_ready_scenario_can_be_run(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert scenario.about
    assert scenario.objectives
    assert from_wire(to_wire(scenario)) == scenario


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    own = written(tmp_path, "seconds = 5\n[realtime]\nrate = 7\n[bulk]\n")
    scenario = load(own, ["realtime.rate=8", "bulk=false", "realtime.arrivals=poisson"], {})
    assert scenario.realtime is not None
    assert (scenario.name, scenario.peak, scenario.bulk) == ("own", 8, None)
    assert scenario.realtime.arrivals == "poisson"
    assert load(own, ["realtime.rate=8"], {"realtime.rate": 9.0}).peak == 9


def test_phases_keep_their_shape_at_another_rate_and_length() -> None:
    scenario = load("mixed", [], {"realtime.rate": 300, "seconds": 9})
    assert scenario.measured == pytest.approx(9)
    assert [phase.seconds for phase in scenario.phases] == pytest.approx([3, 3, 3])
    assert scenario.peak == pytest.approx(300)
    assert planned_rate(scenario, 4.5) == pytest.approx(100)
    assert planned_rate(scenario, 7.5) == pytest.approx(300)
    assert planned_rate(scenario, 1.5) == pytest.approx(55)
    assert planned_rate(scenario, -1) == pytest.approx(10)
    assert at_rate(scenario, 150).peak == pytest.approx(150)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["realtime.rat=1"], "realtime.rat: there is no such key. Did you mean rate?"),
        (["objectivs=[]"], "objectivs: there is no such key. Did you mean objectives?"),
        (["realtime.rate=0"], "realtime.rate is 0: must be a number above 0"),
        (["realtime.rate=nan"], "realtime.rate is nan: must be a number above 0"),
        (["realtime.rate=fast"], "realtime.rate is 'fast': must be a number"),
        (["realtime.rate=true"], "realtime.rate is True: must be a number"),
        (["realtime.mix={pvonly=0}"], "realtime.mix is {'pvonly': 0}: must be a table of shares"),
        (["realtime.mix={}"], "realtime.mix is {}"),
        (["realtime.arrivals=x"], "must be one of constant, poisson"),
        (["realtime.generators=0"], "realtime.generators is 0: somebody must send"),
        (["realtime=3"], "realtime is 3: must be a table of keys"),
        (["phases=3"], "phases: must be a list of tables"),
        (["phases=[{kind='ramp'}]"], "the rate of all phases is 0"),
        (["phases=[{kind='x'}]"], "phases[0].kind is 'x': must be one of constant, ramp"),
        (["phases=[{kind='trace'}]"], "has no file"),
        (["consumers.start=1.5"], "consumers.start is 1.5: must be a whole number"),
        (["faults.kinds=['tail']"], "faults.kinds is ['tail']: must be a list of kill"),
        (["bulk.chunk=0"], "bulk.chunk is 0: must be a whole number of at least 1"),
        (["bulk=false", "realtime=false"], "the scenario has no load"),
        (["bulk=false", "objectives=['bulk.rate > 1/s']"], "the scenario has no [bulk]"),
        (["realtime=false"], "the scenario has no [realtime]"),
        (["seconds.x=1"], "seconds is no table"),
        (["seconds"], "--set seconds: must be KEY=VALUE"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(changes: list[str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load("mixed", ["seconds=30", *changes])
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[realtime", "own.toml is no TOML"),
        ("rate = 3", "rate: there is no such key"),
        ("", "the scenario has no load"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        load(written(tmp_path, text))


def test_a_name_that_is_none_is_told_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"Did you mean smoke\? Ready scenarios are bulk, failure"):
        load("smok")


def trace(folder: Path, lines: str) -> Scenario:
    (folder / "times.txt").write_text(lines, "utf-8")
    text = "warm_up = 0\n[realtime]\n[[phases]]\nkind = 'trace'\nseconds = 4\nfile = 'times.txt'\n"
    return load(written(folder, text))


def test_a_trace_is_sent_as_it_was_recorded(tmp_path: Path) -> None:
    scenario = trace(tmp_path, "0\n0.5\n0.5\n\n3.25\n")
    assert list(planned(from_wire(to_wire(scenario)))) == [0, 0.5, 0.5, 3.25]


@pytest.mark.parametrize("lines", ["1\n0.5\n", "x\n", "-1\n", "4\n", "nan\n"])
def test_a_bad_trace_is_told_by_its_line(tmp_path: Path, lines: str) -> None:
    with pytest.raises(UsageError, match=r"times.txt, line [12] is"):
        trace(tmp_path, lines)


@given(rate=st.floats(1, 500), of=st.integers(1, 5), by_chance=st.booleans())
def test_generators_together_send_what_one_would(rate: float, of: int, by_chance: bool) -> None:
    arrivals = "poisson" if by_chance else "constant"
    scenario = load(
        "mixed", [f"realtime.arrivals={arrivals}", "seconds=3"], {"realtime.rate": rate}
    )
    whole = list(planned(scenario))
    shares = [list(planned(scenario, share=share, of=of)) for share in range(of)]
    assert sorted(time for share in shares for time in share) == whole
    assert all(one <= other for one, other in pairwise(whole))
    assert all(-scenario.warm_up <= time < scenario.measured for time in whole)


def test_phases_are_told_with_the_warm_up_first() -> None:
    told = [(phase.name, phase.from_, phase.to) for phase in phases(load("mixed"))]
    assert told == [
        ("warm-up", -3, 0),
        ("ramp", 0, 10),
        ("steady", 10, 20),
        ("spike", 20, 30),
    ]


def test_a_record_has_the_scenario_in_the_words_of_its_file() -> None:
    scenario = load("mixed")
    told = as_mapping(scenario)
    assert told["phases"][0] == {
        "name": "ramp", "kind": "ramp", "seconds": 10.0, "from": 5.0, "to": 50.0
    }  # fmt: skip
    assert "faults" not in told


def documented(heading: str) -> set[str]:
    """What the first cells of the table below a heading name."""
    section = DOCS.read_text("utf-8").partition(f"{heading}\n")[2].split("\n#")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("part", PARTS)
def test_the_documentation_has_every_key_and_no_other(part: str) -> None:
    heading = "### The whole" if not part else f"### `[{part}]`"
    assert documented("### `[[phases]]`" if part == "phases" else heading) == set(
        rules(PARTS[part])
    )


def test_the_documentation_has_every_driver_and_ready_scenario() -> None:
    assert documented("## Drivers") == set(DRIVERS)
    assert documented("# Load tests") == set(ready())


def test_a_number_stands_for_a_fleet_of_so_many() -> None:
    assert load("fleet", ["fleet=7"]).fleet == load("fleet", ["fleet.consumers=7"]).fleet
    with pytest.raises(UsageError, match=r"fleet\.consumers is 0: must be a whole number of at"):
        load("fleet", ["fleet=0"])
    with pytest.raises(UsageError, match="fleet is 'x': must be a table of keys"):
        load("fleet", ["fleet=x"])


def test_the_documentation_has_every_measure_and_no_other() -> None:
    assert documented("## Objectives") == {name for name in MEASURES if name.count(".") < 2}


def test_every_key_says_what_it_is_for() -> None:
    for part in PARTS.values():
        assert dataclasses.is_dataclass(part)
        assert all(rule.what and rule.told for rule in rules(part).values())


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "a\nb", "x" * 51])
def test_a_name_is_one_for_a_file(name: str) -> None:
    with pytest.raises(UsageError, match="must be the beginning of a file's name"):
        load("smoke", given={"name": name})
