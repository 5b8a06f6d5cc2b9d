"""``azfinsim serve``: the embedded server in the foreground.

What may live here: the command and what it tells its user. The server itself is in the engine.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from engine.address import Address
from engine.edge import partitions_option, run_async
from engine.embedded import EmbeddedServer, PortTaken, ServerSettings
from engine.errors import ServerError
from engine.grid import open_grid

# Where clients look when nobody tells them: ``redis-cli`` alone finds the server.
DEFAULT_PORT = 6379


class _StopAsked(BaseException):
    """SIGINT or SIGTERM came. Like KeyboardInterrupt, it is nothing to handle on the way."""


@click.command
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="TCP port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="Keep the data (append-only file) and the log here; without it they go with the server.",
)
@partitions_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once it is ready.")
def serve(port: int, directory: Path | None, partitions: int | None, as_json: bool) -> None:
    """Run the embedded server in the foreground, until Ctrl-C or SIGTERM.

    It listens on 127.0.0.1 only. Started again with the same --dir it has the same data.
    """
    settings = ServerSettings(port=port, directory=directory)
    try:
        with _signals(_raise), EmbeddedServer(settings) as server:
            if partitions is not None:
                run_async(_make_grid, Address.parse(server.url).with_partitions(partitions))
            _announce_and_run(server, as_json=as_json)
    except _StopAsked:
        pass
    except PortTaken as error:
        raise ServerError(
            f"{error}: choose another with --port, take a free one with --port 0, or use what "
            f"listens there with --redis-url redis://127.0.0.1:{port}/0"
        ) from error
    _say("Stopped." if directory is None else f"Stopped; the data is kept in {directory}.")


async def _make_grid(address: Address) -> None:
    """Make a grid of as many partitions as the address says; UsageError if it has others."""
    async with open_grid(address):
        pass


def _announce(server: EmbeddedServer, *, as_json: bool) -> None:
    directory = server.settings.directory
    kept = None if directory is None else str(directory.absolute())
    _say(f"The server is ready at {server.url}; Ctrl-C stops it.")
    _say(f"Data: {kept or 'in memory only, gone when the server stops (--dir keeps it)'}")
    _say(f"Log:  {server.log_path}")
    _say(f"To use it:\n\n    export AZFINSIM_REDIS_URL={server.url}\n")
    if as_json:
        about = {"url": server.url, "pid": server.pid, "dir": kept, "log": str(server.log_path)}
        click.echo(json.dumps(about))


def _say(text: str) -> None:
    click.echo(text, err=True)


def _announce_and_run(server: EmbeddedServer, *, as_json: bool) -> None:
    """Stop the server on SIGINT or SIGTERM; raises ServerError if it ends before by itself."""
    asked: list[int] = []
    group = server.pid

    # Signals are noted, not raised: a raised one could leave a lock of Popen's taken for ever, and
    # a second one that comes before the stopping has begun would be taken for the first.
    def on_signal(number: int, _: FrameType | None) -> None:
        if asked:
            with suppress(OSError):  # it ends in this moment
                os.killpg(group, signal.SIGKILL)
        asked.append(number)

    with _signals(on_signal):
        _announce(server, as_json=as_json)
        while not asked:
            if server.wait(0.1) and not asked:
                raise ServerError(f"the server ended by itself; {server.last_words()}")
        _say("Stopping; again to end it at once.")
        server.stop()


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have SIGINT and SIGTERM handled so."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _raise(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _StopAsked
