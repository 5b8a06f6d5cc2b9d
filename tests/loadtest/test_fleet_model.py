"""The model of a fleet's Redis, and the plan made with it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from consumer import intake, pace
from consumer.settings import Settings
from engine.errors import UsageError
from loadtest.fleet import model
from loadtest.fleet.costs import MEASURED
from loadtest.fleet.model import Costs, fit, held, least_squares, redis_cpu
from loadtest.fleet.plan import (
    LONGEST_ENTRY,
    Prices,
    Wish,
    best_partitions,
    plan,
    run_seconds,
    shares,
    suitable_chunk,
)
from loadtest.fleet.shape import HELD_SECONDS, MOST_HELD, Point, Shape
from loadtest.fleet.sweep import SMALL, medians, read, shapes, write
from loadtest.fleet_commands import fleet


def point(shape: Shape, costs: Costs = MEASURED, *, share: float = 1.0, **other: Any) -> Point:
    """What the model foretells of a shape that reaches a share of its ideal."""
    trades = share * shape.ideal
    cpu = redis_cpu(costs, shape, trades)
    measured: dict[str, Any] = {
        "redis_cpu": [cpu],
        "bytes_in": trades * (costs.in_trade + costs.in_entry / shape.chunk),
        "bytes_out": trades * (costs.out_trade + costs.out_entry / shape.chunk),
        "clients": round(costs.clients * shape.consumers),
        "held": held(shape),
        "backlog": 10 * held(shape),
        "book": {"cpu": costs.book_cpu, "bytes": costs.book_bytes},
        "queue": {"cpu": costs.queue_cpu, "bytes": costs.queue_bytes},
        "result_bytes": costs.result_bytes,
        "fleet_cpu": [],
        "client_bytes": costs.client_bytes * round(costs.clients * shape.consumers),
    }
    reads = shape.consumers * (model.GLANCES + model.WAITS * shape.partitions)
    rest = {"commands": 0.0, "reads": reads, "memory": 0}
    return Point(shape, 8.0, trades, **{**rest, **measured, **other})


def test_the_model_knows_the_consumer() -> None:
    usual = Settings("any", (), 1)
    assert usual.prefetch == HELD_SECONDS
    assert usual.lease == SMALL.lease
    assert pace.MOST_TRADES == MOST_HELD
    assert 4 * pace.MOST_TAKEN == model.READY
    assert (1 / intake.GLANCE, 1000 / intake.WAIT_MS) == (model.GLANCES, model.WAITS)


def test_fit_finds_the_costs_that_made_the_points() -> None:
    costs = replace(MEASURED, entry=77e-6, hold=0.3e-6, out_entry=123.0, clients=5.0)
    found = fit([point(shape, costs) for shape in shapes()])
    assert asdict(found) == pytest.approx(asdict(costs), rel=1e-3)


def test_fit_leaves_clusters_out() -> None:
    clusters = [
        point(replace(shape, nodes=3), replace(MEASURED, entry=1.0))
        for shape in shapes()
        if shape.price_ms
    ]
    single = [point(shape) for shape in shapes() if shape.nodes == 1]
    assert asdict(fit([*single, *clusters])) == pytest.approx(asdict(fit(single)))


def test_fit_leaves_out_what_a_late_simulation_gave() -> None:
    points = [point(shape) for shape in shapes()]
    late = [point(shape, replace(MEASURED, entry=1.0), lag_p99=0.5) for shape in shapes()]
    assert fit([*points, *late]) == fit(points)


def test_the_costs_are_those_of_the_points_that_are_kept() -> None:
    kept = read(Path(__file__).parents[2] / "docs" / "scaling.json")
    assert asdict(fit(kept)) == pytest.approx(asdict(MEASURED), rel=1e-2)
    for each in kept:
        if each.trades and each.shape.nodes == 1 and each.lag_p99 <= model.CALM:
            foretold = redis_cpu(MEASURED, each.shape, each.trades)
            assert sum(each.redis_cpu) == pytest.approx(foretold, rel=0.35, abs=0.05)


def test_too_few_points_make_no_model() -> None:
    with pytest.raises(UsageError, match="at least six points"):
        fit([point(shape) for shape in shapes()[3:6]])


@given(st.lists(st.floats(0, 10), min_size=3, max_size=3))
def test_least_squares_recovers_what_is_not_below_zero(wanted: list[float]) -> None:
    rows = [[1.0, a, b] for a in (1.0, 5.0, 20.0) for b in (0.5, 3.0, 90.0)]
    values = [sum(x * w for x, w in zip(row, wanted, strict=True)) + 1e-6 for row in rows]
    found = least_squares(rows, values)
    assert min(found) >= 0
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_cost_below_zero_is_none() -> None:
    assert least_squares([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], [3.0, 2.0, 1.0])[1] == 0.0


def test_held_is_bounded() -> None:
    assert held(Shape(1, 10, 100, 50)) == pytest.approx(model.FILLED * (10 + 4))
    # Quick entries by their number, large ones by their trades.
    assert held(Shape(1, 10, 1, 1)) == pytest.approx(model.FILLED * (10 + 400))
    assert held(Shape(1, 10, 1000, 0.01)) == pytest.approx(model.FILLED * (10 + 40))


def test_a_busy_server_takes_up_several_commands_at_once() -> None:
    few, many = (redis_cpu(MEASURED, SMALL, trades) for trades in (1e3, 1e9))
    assert 2 * few > redis_cpu(MEASURED, SMALL, 2e3) > few
    assert 0.99 < many < 1
    cluster = replace(SMALL, nodes=3, partitions=3)
    assert 2.9 < redis_cpu(MEASURED, cluster, 1e9) < 3


def test_fit_leaves_out_a_server_at_its_limit() -> None:
    points = [point(shape) for shape in shapes()]
    full = [point(shape, redis_cpu=[0.99]) for shape in shapes() if shape.price_ms]
    assert fit([*points, *full]) == fit(points)


@pytest.mark.parametrize(
    ("other", "limit"),
    [
        ({"share": 0.96, "fleet_cpu": [1.0], "lag_p99": 1.0}, "slots"),
        ({"share": 0.5, "redis_cpu": [0.97]}, "redis"),
        ({"share": 0.5, "redis_cpu": [0.2, 0.95]}, "redis"),
        ({"share": 0.5, "redis_cpu": [0.97], "fleet_cpu": [0.3, 0.93]}, "simulation"),
        ({"share": 0.5, "redis_cpu": [0.97], "lag_p99": 0.2}, "simulation"),
        ({"share": 0.5, "redis_cpu": [0.1], "held": 50, "backlog": 50}, "work"),
        ({"share": 0.5, "redis_cpu": [0.1]}, "unknown"),
    ],
)
def test_says_what_limits_a_point(other: dict[str, Any], limit: str) -> None:
    assert point(SMALL, **other).limited_by == limit


def test_shares_leave_no_consumer_out() -> None:
    assert Shape(10, 1, 1, 1, processes=3).shares() == [4, 3, 3]
    assert Shape(2, 1, 1, 1, processes=3).shares() == [1, 1]


@pytest.mark.parametrize("wrong", [{"consumers": 0}, {"price_ms": -1}, {"nodes": 2}])
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        replace(SMALL, **wrong)


def test_partitions_lie_where_their_hash_says() -> None:
    # Slots of a cluster's three nodes as `redis-cli --cluster create` shares them out, to a slot.
    nodes = [range(5462), range(5462, 10923), range(10923, 16384)]
    for partitions in (1, 3, 5, 12):
        slots = [key_slot(f"az:{{{p}}}:lane:bulk".encode()) for p in range(partitions)]
        most = max(sum(slot in node for slot in slots) for node in nodes)
        assert max(shares(partitions, 3)) == pytest.approx(most / partitions)
    assert max(shares(3, 3)) == pytest.approx(2 / 3)
    shape = Shape(10, 64, 100, 50)
    assert best_partitions(MEASURED, shape, 1) == 1
    assert best_partitions(MEASURED, shape, 2) == 4


@pytest.mark.parametrize(
    ("trades", "cores", "price_ms", "chunk"),
    [
        (10_000_000, 1000, 5, 100),
        (10_000_000, 10_000, 50, 100),
        (10_000_000, 1000, 500, 10),
        (100_000, 10_000, 50, 5),
        (10_000, 10_000, 50, 1),
        (1_000_000, 10_000, 50, 50),
        (10_000_000, 10, 60_000, 1),
    ],
)
def test_a_chunk_suits(trades: int, cores: int, price_ms: float, chunk: int) -> None:
    assert suitable_chunk(trades, cores, price_ms) == chunk
    assert chunk == 1 or chunk * price_ms / 1000 <= LONGEST_ENTRY


def test_run_seconds() -> None:
    assert run_seconds(10_000_000, 10_000, 100, 50) == pytest.approx(52.5)
    # Fewer entries than cores: one entry each, however many more cores there are.
    assert run_seconds(1000, 10_000, 100, 50) == pytest.approx(5.0)
    assert run_seconds(10, 10_000, 100, 50) == pytest.approx(0.5)


@given(st.integers(1, 10**8), st.integers(1, 10_000), st.floats(50, 5000))
@settings(max_examples=50)
def test_a_plan_holds_what_it_promises(trades: int, cores: int, price_ms: float) -> None:
    wish = Wish(trades, cores, price_ms, slots=64, chunk=50)
    made = plan(wish, MEASURED, Prices())
    assert made.busiest <= 1 - wish.spare
    assert made.memory * max(shares(made.partitions, made.shards)) <= wish.shard_bytes
    assert made.busiest <= made.cpu * (1 + 1e-9)
    assert made.chunk * made.entries >= wish.trades
    assert made.consumers * wish.slots >= wish.cores
    assert (made.bound_by == "nothing") == (made.shards == 1)
    more = plan(replace(wish, trades=2 * trades), MEASURED, Prices())
    assert more.memory > made.memory
    assert more.seconds >= made.seconds


@given(st.integers(1, 10**8), st.integers(1, 10_000), st.floats(50, 5000), st.floats(600, 10**6))
@settings(max_examples=50)
def test_the_cores_it_asks_for_meet_the_deadline(
    trades: int, cores: int, price_ms: float, deadline: float
) -> None:
    made = plan(Wish(trades, cores, price_ms, deadline, slots=64, chunk=50), MEASURED, Prices())
    if made.cores_for_deadline is None:
        assert made.seconds <= deadline
    else:
        assert made.cores_for_deadline > cores
        met = run_seconds(trades, made.cores_for_deadline, 50, price_ms)
        assert met <= deadline * (1 + 1e-9)


def test_memory_makes_shards_too() -> None:
    wish = Wish(trades=100_000_000, cores=100, price_ms=50, shard_bytes=12e9)
    made = plan(wish, MEASURED, Prices())
    assert made.bound_by == "memory"
    assert made.shards == -(-made.memory // 12e9)
    # Three would do, were the hash to give each as much.
    more = plan(replace(wish, trades=110_000_000), MEASURED, Prices())
    assert more.memory * max(shares(more.partitions, more.shards)) <= wish.shard_bytes
    assert (more.bound_by, more.shards) == ("memory", -(-more.memory // 12e9) + 1)


def test_what_no_shards_bear_is_said() -> None:
    with pytest.raises(UsageError, match="do not suffice"):
        plan(Wish(trades=10**8, cores=100_000, price_ms=0.1, chunk=1), MEASURED, Prices())


def test_a_deadline_within_one_entry_cannot_be_met() -> None:
    with pytest.raises(UsageError, match="smaller --chunk"):
        plan(Wish(10**6, 10, 1000, deadline=50.0, chunk=100), MEASURED, Prices())


def test_a_sweep_is_kept_and_read(tmp_path: Path) -> None:
    runs = [point(SMALL, redis_cpu=[cpu]) for cpu in (0.3, 0.1, 0.2)]
    write(tmp_path / "s.json", runs, {"cores": 4})
    assert read(tmp_path / "s.json") == runs
    assert medians(runs) == [runs[2]]
    late = [point(SMALL, share=0.5, redis_cpu=[0.01], lag_p99=1.0)] * 3
    assert medians([*late, *runs]) == [runs[2]]
    assert medians(late) == late[:1]
    (tmp_path / "other").write_text("{}")
    with pytest.raises(UsageError, match="no sweep"):
        read(tmp_path / "other")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(fleet, [str(a) for a in arguments])


PLAN = ("plan", "--trades", "10M", "--cores", "10k", "--price-ms", "50", "--slots", "64")


def test_plan_command_reports() -> None:
    done = invoke(*PLAN, "--deadline", "1h", "--core-price", "0.1", "--json")
    assert done.exit_code == 0, done.output
    report = orjson.loads(done.stdout)
    wish = Wish(10_000_000, 10_000, 50.0, 3600.0, slots=64)
    prices = Prices(core_hour=0.1)
    assert report == {**plan(wish, MEASURED, prices).as_json(), "prices": asdict(prices)}
    shown = invoke(*PLAN, "--deadline", "1h").stdout
    assert "10M" not in shown
    assert f"{report['consumers']:,}" in shown
    assert "to be checked" in shown


def test_plan_command_says_that_it_is_too_late() -> None:
    done = CliRunner().invoke(fleet, [*PLAN, "--deadline", "20s"], standalone_mode=False)
    assert done.return_value == 1
    assert "NOT within 20.0 s" in done.output


@pytest.mark.parametrize(
    ("option", "value"), [("--trades", "10x"), ("--deadline", "soon"), ("--deadline", "0s")]
)
def test_plan_command_names_what_is_wrong(option: str, value: str) -> None:
    done = invoke(*PLAN, option, value)
    assert done.exit_code == 2
    assert option in done.output
    assert value in done.output


def test_show_draws_the_same_picture_twice(tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    write(file, [point(shape) for shape in shapes()], {})
    for name in ("a.svg", "b.svg"):
        done = invoke("show", file, "--plot", tmp_path / name)
        assert done.exit_code == 0, done.output
    assert "156 consumers x 64 slots" in done.output
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert invoke(*PLAN, "--costs", file).exit_code == 0
