"""Every command of ``azfinsim``, and how a test calls it.

What may live here: the walk through the tree, and arguments for each command.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence

import click
import pytest

from azfinsim.cli import azfinsim
from engine.edge import run_command


def leaves() -> dict[str, click.Command]:
    """The commands that are no groups, by what is typed."""
    return dict(_leaves(azfinsim, ()))


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _leaves(found, (*path, name))


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, and what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["azfinsim", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(azfinsim, "azfinsim")
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capfd.readouterr()


QUICK: Mapping[str, Sequence[str]] = {
    "book generate": ["--count", "200"],
    "book inject": ["trades.ndjson"],
    "book list": ["--json"],
    "book show": ["7"],
    "book export": ["exported.ndjson.gz"],
    "job submit": ["--name", "night", "--algorithm", "synthetic"],
    "job status": ["night"],
    "job list": [],
    "job results": ["night", "results.csv"],
    "job cancel": ["night"],
    "job wait": ["night"],
    "job resume": ["night", "--json"],
    "job drop": ["nosuch"],
    "dead list": ["--traceback"],
    "dead replay": ["--all"],
    "dead purge": ["--all"],
    "price": ["--deadline", "0.2"],
    "top": ["--json", "--interval", "0.1"],
    "infra check": ["--trades", "1000"],
    "book drop": ["7"],
    "loadtest join": ["nosuch"],
    "pool status": ["--local", "--state", "crews"],
    "pool down": ["--local", "--state", "crews"],
    "pool control": ["--local", "--state", "crews", "--once", "--dry-run"],
}
"""Those that ask a server, one after the other, and end by themselves."""

LONG: Mapping[str, Sequence[str]] = {
    "consume": ["--slots", "1", "--exit-when-idle", "0.5", "--log-level", "debug"],
    "pool up": ["--local", "--state", "crews", "--consumers", "1", "--exit-when-idle", "0.5"],
    "loadtest chaos": ["--seconds", "1", "--trades", "100", "--consumers", "2", "--kinds", "kill"],
}
"""Those that start processes, or are one that stays; each in a process of its own."""

OWN: Mapping[str, Sequence[str]] = {
    "demo": ["--trades", "200", "--algorithm", "synthetic", "--consumers", "1"],
    "serve": ["--port", "0", "--dir", "served"],
}
"""Those that have a server of their own, whatever they are told of others."""

APART: Mapping[str, Sequence[str]] = {
    "infra acl": ["consumer", "--password-file", "secret"],
    "loadtest fleet plan": ["--trades", "1M", "--cores", "100", "--price-ms", "50"],
    # Minutes of measuring: wrong usage is enough to see that they say nothing of what they inherit.
    **dict.fromkeys(
        [
            *("loadtest accuracy", "loadtest bench", "loadtest encodings"),
            *("loadtest fleet run", "loadtest fleet show", "loadtest fleet sweep"),
            *("loadtest run", "loadtest report", "loadtest compare", "loadtest search"),
            *("infra deploy", "infra build", "infra config", "infra destroy", "infra cost"),
            "pool simulate",
        ],
        ("--nonsense",),
    ),
}
"""Those that have nothing to do with a server, or only with ones that they start themselves."""

CASES: Mapping[str, Sequence[str]] = {**QUICK, **LONG, **OWN, **APART}
