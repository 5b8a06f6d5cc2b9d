"""What blocks, in a thread that nobody waits for at the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def apart(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises, while the event loop goes on.

    Cancelled, it ends at once, and the call goes on until it ends by itself or the process does.
    That is not so with the worker threads of anyio, which Python joins before it exits: a request
    that hangs would hold up Ctrl-C.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="apart", daemon=True).start()
    return await asyncio.wrap_future(done)
