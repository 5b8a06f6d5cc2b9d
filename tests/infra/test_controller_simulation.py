"""The controller on recorded loads: in time, and at less cost than what there was before."""

import re
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from infra.controller import loads
from infra.controller.compare import CEILING, PRICE, SLOTS, Row, all_rows, rows, table
from infra.controller.loads import Load, LoadJob
from infra.controller.model import Demand, Observation, Policy
from infra.controller.rivals import Lag, Older, Ours, Static
from infra.controller.simulation import Simulation
from tests.hostile.command_tree import run

PAGE = Path(__file__).parents[2] / "docs" / "controller.md"


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return all_rows()


def test_the_page_shows_what_comes_of_the_loads(found: list[Row]) -> None:
    """`azfinsim pool simulate --markdown` prints what is to stand there."""
    [shown] = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE)[-1:]
    assert shown == table(found)


@pytest.mark.parametrize("load", loads.names())
def test_deadlines_are_met_at_less_cost_than_before(found: list[Row], load: str) -> None:
    by = {row.scaler: row for row in found if row.load == load}
    ours = by["this controller"]
    assert ours.late_jobs == 0
    assert ours.cost < by["older formula"].cost
    # And than anybody else who is in time.
    assert all(ours.cost < row.cost for row in by.values() if row is not ours and not row.late_jobs)
    # The chance that it had to survive losing nodes.
    assert by["always the ceiling"].evictions


@pytest.mark.parametrize("load", loads.names())
def test_no_other_chance_makes_it_late(load: str) -> None:
    """Other start-ups, evictions and trades than those that it was tuned by."""
    [ours, *_] = rows(loads.read(load), range(100, 106))
    assert ours.late_jobs == 0


@pytest.mark.parametrize("load", loads.names())
def test_it_costs_little_more_than_the_work_itself(found: list[Row], load: str) -> None:
    """The bound: all jobs on nodes that start at once, and are never idle nor lost."""
    jobs = loads.read(load).jobs
    work = sum(job.trades * job.cost * (1 + job.drift / 2) for job in jobs)
    [ours] = [row for row in found if (row.load, row.scaler) == (load, "this controller")]
    least = work / SLOTS / 3600 * PRICE
    assert least < ours.cost < least + 0.5 * least + 3 * PRICE


def test_more_evictions_cost_more_and_are_survived() -> None:
    load = replace(loads.read("nightly"), evictions=0.25)
    [ours, *_] = rows(load, range(3))
    assert ours.evictions > 10
    assert ours.late_jobs == 0


def test_the_older_formula_counts_tasks_and_not_what_a_node_runs_at_once() -> None:
    older = Older(ceiling=200)
    look = Observation(0.0, [Demand("night", "pvonly", 15_000, 0)])
    assert older.wanted(look) == 150
    # It is evaluated each five minutes only, over three minutes of samples.
    assert [older.wanted(replace(look, now=at, demands=[])) for at in (30.0, 270.0)] == [150, 150]
    assert older.wanted(replace(look, now=300.0, demands=[])) == 0
    assert Older(200).wanted(replace(look, demands=[Demand("n", "p", 10**6, 0)])) == 200


def test_lag_is_divided_and_held_for_a_while() -> None:
    lag = Lag(ceiling=40, entries=5)
    look = Observation(0.0, [Demand("night", "pvonly", 1_000, 0, chunk=100)])
    assert lag.wanted(look) == 2
    assert lag.wanted(replace(look, now=290.0, demands=[])) == 2
    assert lag.wanted(replace(look, now=310.0, demands=[])) == 0


def test_a_simulated_grid_takes_as_long_as_it_has_to() -> None:
    job = LoadJob("one", at=0.0, trades=16_000, cost=1.0, chunk=10, by=3_000.0)
    load = Load("one", "", 0.0, startup=(100.0, 100.0), jobs=[job])
    bill = Simulation(load, Static(2), slots=8, ceiling=2, price=3.6).run()
    # 16,000 slot-seconds on 16 slots, after a start of 100 s; the last entries end one by one.
    assert 1_090 <= bill.last < 1_130
    assert bill.cost == pytest.approx(2 * bill.last / 1000, rel=0.05)
    assert not bill.late_jobs


def test_chance_follows_from_the_seed() -> None:
    load = loads.read("spike")
    bills = [
        Simulation(load, Ours(Policy(ceiling=CEILING, slots=SLOTS)), seed=seed).run()
        for seed in (7, 7, 8)
    ]
    assert bills[0] == bills[1] != bills[2]


def test_a_load_is_read_as_it_was_written() -> None:
    load = loads.read("dear")
    assert loads.parse(loads.dump(load)) == load


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"name":1}\n{"job":2}', b"\xff"])
def test_what_is_no_load_is_told(text: bytes) -> None:
    with pytest.raises(ValueError, match="no load"):
        loads.parse(text)


def test_a_person_is_shown_what_the_load_is_and_the_words_mean(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(capfd, "pool", "simulate", "--load", "spike")
    assert (code, out) == (0, "")
    told = " ".join(err.split())
    for words in (loads.read("spike").about, "USD", "at most 40 nodes", "older formula: the older"):
        assert words in told


def test_it_is_told_as_json_and_for_the_page(
    capfd: pytest.CaptureFixture[str], found: list[Row]
) -> None:
    those = [row for row in found if row.load == "spike"]
    command = ("pool", "simulate", "--load", "spike")
    _, out, _ = run(capfd, *command, "--json")
    told = orjson.loads(out)
    assert told["rows"] == orjson.loads(orjson.dumps(those))
    assert (told["ceiling"], told["currency"]) == (CEILING, "USD")
    _, out, _ = run(capfd, *command, "--markdown")
    assert out == table(those)
    assert run(capfd, *command, "--markdown", "--json")[0] == 2
