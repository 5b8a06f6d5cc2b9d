"""What brings a crew to a size: pure decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from infra.pool.plan import (
    Member,
    Order,
    PoolLane,
    State,
    change,
    check_crew,
    counted,
    fewer,
    generation_of,
    job_id,
    member,
)

MEMBERS = st.lists(
    st.builds(
        Member,
        st.integers(1, 40).map(member),
        st.sampled_from(State),
        st.sampled_from(["", "exit code 3"]),
        st.integers(0, 3),
        st.booleans(),
    ),
    unique_by=lambda each: each.name,
)


@given(MEMBERS, st.integers(0, 50))
def test_a_change_brings_it_to_its_size(members: list[Member], wanted: int) -> None:
    todo = change(members, wanted)
    assert counted(members).living + todo.by == wanted
    known = {each.name: each for each in members}
    assert len({*todo.add}) == len(todo.add)
    assert not known.keys() & {*todo.add}
    assert all(each.living and each.state is State.QUEUED for each in todo.end)
    assert all(each.living and each.state is State.RUNNING for each in todo.dismiss)


@given(MEMBERS, st.integers(0, 50), st.data())
def test_two_at_once_add_the_same(members: list[Member], wanted: int, data: st.DataObject) -> None:
    """Whoever looks while another is in the middle of adding gives what is left the same names."""
    first = change(members, wanted).add
    done = data.draw(st.sets(st.sampled_from(first)) if first else st.just(set()))
    seen = [*members, *(Member(name, State.QUEUED) for name in done)]
    assert set(change(seen, wanted).add) == set(first) - done


def test_nobody_who_prices_leaves_while_another_waits() -> None:
    members = [Member(member(n), State.RUNNING if n < 3 else State.QUEUED) for n in range(1, 5)]
    todo = change(members, 1)
    assert [each.name for each in todo.end] == [member(4), member(3)]
    assert [each.name for each in todo.dismiss] == [member(2)]


def test_who_came_with_an_earlier_job_leaves_last() -> None:
    members = [
        Member(member(number), State.RUNNING, generation=generation)
        for generation, number in ((2, 1), (1, 4_999), (2, 2), (1, 5_000))
    ]
    leaving = fewer(members, 1).dismiss
    assert [(each.generation, each.name) for each in leaving] == [
        (2, member(2)),
        (2, member(1)),
        (1, member(5_000)),
    ]


def test_each_is_counted_once() -> None:
    members = [
        Member("a", State.QUEUED, requeued=1),
        Member("b", State.QUEUED, leaving=True),
        Member("c", State.RUNNING, requeued=2),
        Member("d", State.RUNNING, leaving=True),
        Member("e", State.COMPLETED, leaving=True),
        Member("f", State.COMPLETED, "exit code 2"),
    ]
    found = counted(members)
    assert (found.queued, found.running, found.leaving) == (1, 1, 2)
    assert (found.completed, found.failed, found.requeued) == (2, 1, 3)


@given(st.from_regex("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True), st.integers(1, 999))
def test_a_job_tells_its_crew(name: str, generation: int) -> None:
    job = job_id(name, generation)
    assert generation_of(job) == generation_of(job.upper(), name) == (name, generation)
    assert generation_of(job, f"{name}-{generation}") is None


@pytest.mark.parametrize("name", ["", "Night", "a.b", "-a", "a-", "a" * 41, "a/b", "ä", "a'b"])
def test_bad_names_of_crews(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters, digits and dashes"):
        check_crew(name)


def test_what_a_consumer_is_told() -> None:
    order = Order("x", PoolLane.BULK, slots=3, exit_when_idle=300)
    assert " ".join(order.arguments()) == (
        "--lane realtime,high,bulk --slots 3 --exit-when-idle 300 --log-format json"
    )
    realtime = Order("x", PoolLane.REALTIME).arguments()
    assert " ".join(realtime) == "--lane realtime --log-format json"
