"""The command-line edge that all rooms share: options, reports, progress, errors, exit codes.

Only command modules import this. Reports go to standard output; progress, notes and errors go to
standard error.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar

import anyio
import click
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from engine.address import Address
from engine.address_options import MOST_PARTITIONS
from engine.count import WAYS, parse_count
from engine.errors import AzfinsimError, ServerError, UsageError, leaf
from engine.extras import way_out

DONE, SHORT, USAGE, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes; INTERRUPTED is the shell's own for Ctrl-C."""

P = ParamSpec("P")
T = TypeVar("T")

LINE_EVERY = 10.0
"""Seconds between lines of progress in a log."""

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def _address_if_any(
    context: click.Context, option: click.Parameter, url: str | None
) -> Address | None:
    if not url:
        return None
    address = Address.parse(url, os.environ)
    source = context.get_parameter_source(str(option.name))
    if address.has_password and source is click.core.ParameterSource.COMMANDLINE:
        raise UsageError(
            "--redis-url holds a password, which every user of this machine can read in the list "
            "of processes: put the URL into AZFINSIM_REDIS_URL, or the password into a file and "
            "its name into AZFINSIM_REDIS_PASSWORD_FILE"
        )
    return address


def _address(context: click.Context, option: click.Parameter, url: str | None) -> Address:
    return needed(_address_if_any(context, option, url))


def needed(address: Address | None) -> Address:
    """The address, for a command that ``optional_redis_option`` gave None but needs a server.

    Raises ServerError if there is none.
    """
    if address is None:
        raise ServerError(
            "which Redis server? Start one with `azfinsim serve`, then say where it is with "
            "--redis-url redis://127.0.0.1:6379 or AZFINSIM_REDIS_URL"
        )
    return address


def _redis_option(
    callback: Callable[[click.Context, click.Parameter, str | None], Address | None],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--redis-url",
        "address",
        envvar="AZFINSIM_REDIS_URL",
        show_envvar=True,
        metavar="URL",
        callback=callback,
        help="redis://, rediss:// or unix://; ?cluster=true or ?sentinel=SERVICE (docs/redis.md).",
    )


redis_option = _redis_option(_address)

optional_redis_option = _redis_option(_address_if_any)
"""For commands that need a server only sometimes, and then call ``needed``."""

partitions_option = click.option(
    "--partitions",
    type=click.IntRange(1, MOST_PARTITIONS),
    help="Partitions of a grid that is made by this; one that is there must have as many.",
)
"""For commands with which a grid may begin."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
)


class Count(click.ParamType[int]):
    """How many, as people write it: 500000, 500k, 10M, 1e6; from ``least`` to ``most``."""

    name = "count"

    def __init__(self, least: int = 1, most: int | None = None) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        count = parse_count(str(value))
        if count is None:
            self.fail(f"{str(value)[:40]}: must be a number, such as {WAYS}", param, ctx)
        if count < self.least or (self.most is not None and count > self.most):
            most = f" and at most {self.most:,}" if self.most is not None else ""
            self.fail(f"{str(value)[:40]}: must be at least {self.least:,}{most}", param, ctx)
        return count


def run_async(main: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a coroutine function to its end on uvloop."""

    async def call() -> T:
        asyncio.get_running_loop().set_exception_handler(_told_by_the_loop)
        results: list[T] = []

        async def run() -> None:
            results.append(await main(*args, **kwargs))

        # Ctrl-C cancels the first task, once, and what redis-py awaits may swallow that before
        # Python 3.12 (asyncio.wait_for). A task group tells its tasks until they listen.
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(run)
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from error.exceptions[0].__cause__
        return results[0]

    return anyio.run(call, backend_options={"use_uvloop": True})


def _told_by_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell what nobody waits for and yet goes wrong, but for connections that break.

    Whoever uses those hears of it, and tries again; uvloop besides prints a traceback where one
    with TLS is closed in the middle of its handshake (uvloop#506).
    """
    if not str(context.get("message")).startswith("Fatal error on "):
        loop.default_exception_handler(context)


def note(message: str) -> None:
    """Tell a person something on standard error."""
    stderr.print(message, markup=False)


def print_json(report: Mapping[str, Any]) -> None:
    """Print the report of a command as one JSON object on one line."""
    click.echo(orjson.dumps(report))


class Advance(Protocol):
    """Moves a progress bar on by ``count``.

    ``total`` may be told again when it is known better; ``status`` is shown behind the bar.
    """

    def __call__(self, count: int, total: int | None = None, status: str = "") -> None: ...


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_count(task), style="progress.download")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """Show a bar with rate and time left while the body runs; yields what moves it on.

    Where standard error is no terminal, long work writes a line every ``LINE_EVERY`` seconds.
    """
    bar = Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),  # what the others leave
        _Count(Column(no_wrap=True)),
        _Rate(Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[status]}", table_column=Column(no_wrap=True)),
        console=stderr,
        expand=True,
        disable=not stderr.is_terminal,
    )
    with bar:
        task_id = bar.add_task(what, total=total, status="")
        told_at = time.monotonic()

        def advance(count: int, total: int | None = None, status: str = "") -> None:
            nonlocal told_at
            bar.update(task_id, advance=count, total=total, status=status)
            if not stderr.is_terminal and time.monotonic() - told_at >= LINE_EVERY:
                told_at = time.monotonic()
                note(_line(bar.tasks[0]))

        yield advance


def _line(task: Task) -> str:
    rate = f", {task.completed / task.elapsed:,.0f}/s" if task.elapsed else ""
    status = f", {task.fields['status']}" if task.fields["status"] else ""
    return f"{task.description}: {_count(task)}{rate}{status}"


def _count(task: Task) -> str:
    of = f" of {task.total:,.0f}" if task.total is not None else ""
    return f"{task.completed:,.0f}{of}"


class Group(click.Group):
    """A group whose help tells of each command in a whole sentence; click cuts it at a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(_WHOLE)) for name, each in commands if each]
            )


_WHOLE = 1_000
"""Characters: more than any first sentence has."""


class LazyGroup(Group):
    """A group that imports the module of a subcommand only when that is called."""

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        # In the order given: the commands tell a story.
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def run_command(command: click.Command, name: str) -> NoReturn:
    """Run a command as a program: whatever happens becomes one line and an exit code."""
    stdout = sys.stdout
    try:
        # Not standalone: click would exit with 1 on Ctrl-C, and knows nothing of our errors.
        code = command.main(prog_name=name, standalone_mode=False)
    except BaseException as error:
        # When the reader of our output leaves, click exits with 1 and puts another stream in place.
        left = isinstance(error, SystemExit) and sys.stdout is not stdout
        code = DONE if left else exit_code(error)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left, as `| head` does: nothing of ours went wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code if isinstance(code, int) else DONE)


def exit_code(error: BaseException) -> int:
    """Tell what went wrong in a line; returns the exit code. Raises what is a fault of ours."""
    cause = leaf(error)
    match cause:
        case click.exceptions.Exit():
            return cause.exit_code
        case click.ClickException():
            cause.show()
            return cause.exit_code
        case KeyboardInterrupt() | click.Abort():
            note("interrupted")
            return INTERRUPTED
        case BrokenPipeError():
            return DONE
        case ServerError():
            note(f"error: {cause}")
            return NO_SERVER
        case AzfinsimError():
            note(f"error: {cause}")
            return USAGE
        case ModuleNotFoundError(name=module) if told := way_out(module):
            note(f"error: {told}")
            return USAGE
        case SystemExit():
            return cause.code if isinstance(cause.code, int) else SHORT
        case _:
            raise error
