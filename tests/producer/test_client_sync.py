"""The realtime client for callers that are not async."""

import threading
from collections.abc import Iterator

import anyio
import pytest

from engine.errors import Closed, NoConsumers, Rejected
from engine.grid import Grid
from producer import connect_sync
from producer.client_result import Result
from tests.producer.grids import on_grid
from tests.producer.responders import left_behind, responding


@pytest.fixture
def answered(redis_url: str) -> Iterator[str]:
    """The URL of a grid on which somebody answers calls, in a thread of its own."""
    started, ended = threading.Event(), threading.Event()

    async def answer() -> None:
        async with responding(redis_url):
            started.set()
            await anyio.to_thread.run_sync(ended.wait)

    thread = threading.Thread(target=anyio.run, args=(answer,))
    thread.start()
    assert started.wait(10)
    yield redis_url
    ended.set()
    thread.join()


def test_it_prices_one_and_many(answered: str) -> None:
    with connect_sync(answered) as grid:
        assert grid.price({"id": 7}).pv == 1.0
        with grid.price_all(({"id": number} for number in range(1000)), in_order=True) as answers:
            found = [
                (number, answer.id) for number, answer in answers if isinstance(answer, Result)
            ]
        assert found == [(number, number) for number in range(1000)]
        with grid.price_all({"id": number} for number in range(1000)) as answers:
            next(answers)
        with grid.price_all([{"spot": float("nan")}]) as answers:
            assert [type(answer) for _, answer in answers] == [Rejected]

    async def check(left: Grid) -> None:
        assert await left_behind(left) == []

    on_grid(answered, check)


def test_answers_are_there_within_their_block_alone(answered: str) -> None:
    taken: list[int] = []

    def source() -> Iterator[dict[str, int]]:
        for number in range(1000):
            taken.append(number)
            yield {"id": number}

    with connect_sync(answered) as grid:
        with grid.price_all(source()) as answers:
            next(answers)
        before = len(taken)
        with pytest.raises(Closed, match="within the `with` block"):
            next(answers)
        assert len(taken) == before
    with pytest.raises(Closed):
        next(answers)


def test_it_may_be_used_from_many_threads(answered: str) -> None:
    found: list[int] = []
    with connect_sync(answered) as grid:
        threads = [
            threading.Thread(target=lambda n=n: found.append(grid.price({"id": n}).id))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(20))


def test_its_errors_are_those_of_the_async_one(redis_url: str) -> None:
    with connect_sync(redis_url) as grid, pytest.raises(NoConsumers):
        grid.price({"id": 1})


def test_an_error_of_the_block_or_the_source_is_the_callers(answered: str) -> None:
    def source() -> Iterator[dict[str, int]]:
        yield {"id": 1}
        raise OSError("gone")

    with connect_sync(answered) as grid:
        with pytest.raises(OSError, match="gone"), grid.price_all(source()) as answers:
            list(answers)
        assert grid.price({"id": 2}).id == 2
