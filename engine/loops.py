"""Awaiting many things at once, for callers that are not async themselves."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


def run_all(
    calls: Sequence[Callable[[], Awaitable[T]]], *, concurrency: int, timeout: float
) -> list[T | BaseException]:
    """What each of the calls returned or raised, in their order; it never raises for one of them.

    No more than ``concurrency`` of them run at a time, and each for ``timeout`` seconds at most.
    The event loop is this thread's own and outlives the call, so that what was opened in it, such
    as a client's connections, can be used the next time.
    """
    return _own.run(_all(calls, concurrency, timeout))


async def _all(
    calls: Sequence[Callable[[], Awaitable[T]]], concurrency: int, seconds: float
) -> list[T | BaseException]:
    outcomes: dict[int, T | BaseException] = {}
    room = anyio.Semaphore(concurrency, fast_acquire=True)

    async def run(at: int) -> None:
        async with room:
            outcomes[at] = await _one(calls[at], seconds)

    async with anyio.create_task_group() as tasks:
        for at in range(len(calls)):
            tasks.start_soon(run, at)
    return [outcomes[at] for at in range(len(calls))]


async def _one(call: Callable[[], Awaitable[T]], seconds: float) -> T | BaseException:
    try:
        with anyio.move_on_after(seconds):
            return await call()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody has asked for that: it has awaited what was cancelled elsewhere, or raised it.
        return RuntimeError("it was cancelled from within")
    # It may be anybody's: it must not end the others.
    except (Exception, SystemExit) as error:
        return error
    return TimeoutError(f"no answer within {seconds:g} s")


class _Own(threading.local):
    """The event loop of each thread, made when it is first needed."""

    runner: asyncio.Runner | None = None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        if self.runner is None:
            self.runner = asyncio.Runner()
            atexit.register(self.runner.close)
        try:
            return self.runner.run(main)
        except BaseException:
            # Tasks may be left in it, which would go on with the next call.
            runner, self.runner = self.runner, None
            atexit.unregister(runner.close)
            runner.close()
            raise


_own = _Own()
