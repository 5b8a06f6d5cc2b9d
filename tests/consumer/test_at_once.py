"""Doing the pieces of a call with the help of idle threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumer.realtime.at_once import AtOnce

SOON = 10.0


def test_results_are_in_the_order_of_the_items() -> None:
    with ThreadPoolExecutor(4) as threads:
        run = AtOnce(threads, 3)
        assert list(run(lambda n: n * n, iter(range(1000)))) == [n * n for n in range(1000)]
        assert list(run(str, [])) == []


def test_pieces_are_done_at_the_same_time() -> None:
    together = threading.Barrier(3)
    with ThreadPoolExecutor(3) as threads:
        # Each piece ends only when all three have begun.
        run = AtOnce(threads, 2)
        done = threads.submit(lambda: list(run(lambda _: together.wait(SOON), range(3))))
        assert sorted(done.result(SOON)) == [0, 1, 2]


def test_threads_that_are_busy_are_not_waited_for() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        busy = threads.submit(release.wait, SOON)
        # The other thread asks for help that cannot come.
        done = threads.submit(lambda: list(AtOnce(threads, 1)(str, range(3))))
        assert done.result(SOON) == ["0", "1", "2"]
        assert not busy.done()
        release.set()


@pytest.mark.parametrize("bad", [0, 5, 9])
def test_what_a_piece_raises_is_raised(bad: int) -> None:
    def piece(number: int) -> int:
        if number == bad:
            raise ValueError(f"piece {number}")
        return number

    with ThreadPoolExecutor(3) as threads, pytest.raises(ValueError, match=f"piece {bad}"):
        list(AtOnce(threads, 2)(piece, range(10)))


def test_another_call_waits_no_longer_than_for_some_pieces() -> None:
    begun, pieces = threading.Event(), 0

    def piece(_: int) -> None:
        nonlocal pieces
        pieces += 1
        begun.set()
        time.sleep(0.002)

    with ThreadPoolExecutor(2) as threads:
        long = threads.submit(lambda: list(AtOnce(threads, 1)(piece, range(1000))))
        assert begun.wait(SOON)
        threads.submit(lambda: None).result(SOON)
        assert pieces < 100
        assert not long.done()
        long.result(SOON)


def test_pieces_are_taken_as_they_are_needed() -> None:
    given = iter(range(1000))
    with ThreadPoolExecutor(2) as threads:
        results = iter(AtOnce(threads, 1)(str, given))
        assert next(results) == "0"
        assert next(given) < 10
