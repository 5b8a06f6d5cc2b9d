"""G10: a password is seen by nobody who is not the server, whatever command, way or accident."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import anyio
import pytest

from engine import keys, logs
from engine.address import Address
from engine.grid import open_grid
from infra.fleet import Fleet, FleetSettings
from producer import connect, connect_sync
from producer.generate import generate
from producer.ndjson import encode_trades
from tests.hostile import command_tree, leaks
from tests.hostile.command_tree import APART, CASES, LONG, OWN, QUICK, leaves
from tests.hostile.leaks import RIGHT, USER, WRONG, Leaks, Servers, in_url
from tests.processes import ROOT
from tests.redis_servers import free_ports, needs_openssl, needs_redis
from tests.waiting import eventually

pytestmark = [needs_redis, needs_openssl]

SETTING = "AZFINSIM_REDIS_"

WAYS = ("right", "right file", "right URL", "wrong", "wrong file", "down", "not TLS", "TLS unknown")
"""How a command is told of the password, and what it meets."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with leaks.servers(tmp_path_factory.mktemp("servers")) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a command, with what it may be told to read."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AZFINSIM_")]:
        monkeypatch.delenv(name)
    (tmp_path / "secret").write_text(f"{RIGHT}\n")
    (tmp_path / "wrong").write_text(WRONG)
    book = generate(1, 0, 100)
    (tmp_path / "trades.ndjson").write_bytes(encode_trades(book) + b"{}\n")
    return tmp_path


@pytest.fixture
def found(place: Path) -> Iterator[Leaks]:
    """What was seen by the end of the test; there must be nothing."""
    seen = Leaks()
    with leaks.watching_processes(seen):
        yield seen
    seen.look_at_files(place, [place / "secret", place / "wrong"])
    assert seen.found == []


def settings(way: str, at: Servers) -> dict[str, str]:
    """The variables by which a command is told."""
    url = {
        "down": f"redis://127.0.0.1:{free_ports(1)[0]}",
        "right URL": f"redis://{USER}:{in_url(RIGHT)}@127.0.0.1:{at.port}",
        "not TLS": f"rediss://127.0.0.1:{at.port}",
        "TLS unknown": f"rediss://127.0.0.1:{at.tls_port}",
    }.get(way, f"redis://127.0.0.1:{at.port}")
    # A server that does not speak TLS says nothing at all.
    patience = 0.1 if way == "not TLS" else 2
    told = {"URL": f"{url}?socket_connect_timeout={patience}"}
    if way != "right URL":
        password = WRONG if way.startswith("wrong") else RIGHT
        file = "wrong" if way.startswith("wrong") else "secret"
        told |= {"USERNAME": USER}
        told |= {"PASSWORD_FILE": file} if way.endswith("file") else {"PASSWORD": password}
    return {f"{SETTING}{name}": value for name, value in told.items()}


def run(capfd: pytest.CaptureFixture[str], found: Leaks, *arguments: str) -> int:
    """Run a command in this process; its exit code."""
    code, out, err = command_tree.run(capfd, *arguments)
    found.look(f"what {arguments} prints", out + err)
    assert "Traceback" not in err, err
    return code


def process(
    place: Path, told: Mapping[str, str], *arguments: str, python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process."""
    program = () if "-c" in python else ("-m", "azfinsim")
    return subprocess.run(
        [sys.executable, *python, *program, *arguments],
        cwd=place,
        env={**leaks.without_settings(), "PYTHONPATH": str(ROOT), **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_command_has_its_case() -> None:
    """A new one is to be looked at too: give it arguments in ``tests/hostile/command_tree.py``."""
    assert set(leaves()) <= set(CASES)


@pytest.mark.parametrize("way", WAYS)
def test_no_command_shows_it(
    way: str,
    known: Servers,
    place: Path,
    found: Leaks,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings(way, known).items():
        monkeypatch.setenv(name, value)
    there = leaves()
    with leaks.watching_commands(found, known.port):
        with known.admin() as admin:
            admin.flushall()
        for name, arguments in {**QUICK, **({} if way.startswith("right") else LONG)}.items():
            if name in there:
                code = run(capfd, found, *name.split(), *arguments)
                # Those that say nothing of a server's may do without it.
                assert way.startswith("right") or code == 3 or name.startswith("pool"), name
                # Nobody has called for the load test that `join` is to help with.
                fine = (0, 1, 2, 3) if name == "loadtest join" else (0, 1, 3)
                assert not way.startswith("right") or code in fine, name
        with known.admin() as admin:
            found.look_at_server(admin)


@pytest.mark.pain("older-azfinsim-keys-on-command-lines")
def test_no_command_takes_it_as_an_argument(
    known: Servers, place: Path, found: Leaks, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in a watched list of processes, but refused in words that do not repeat it."""
    url = f"redis://{USER}:{in_url(RIGHT)}@127.0.0.1:{known.port}"
    raw = f"redis://{USER}:{RIGHT}@127.0.0.1:{known.port}"
    for name, command in leaves().items():
        if any("--redis-url" in option.opts for option in command.params):
            for each in (
                url,
                raw,
                f"redis://{RIGHT}@h",
                f"redis://{leaks.MARK}@h",
                f"{url}&password={RIGHT}",
                RIGHT,
            ):
                code = run(capfd, found, *name.split(), *CASES[name], "--redis-url", each)
                assert code == 2, (name, code)


@pytest.mark.pain("older-azfinsim-keys-on-command-lines")
@pytest.mark.parametrize("name", [*LONG, *OWN])
def test_no_process_shows_it(name: str, known: Servers, place: Path, found: Leaks) -> None:
    """Nor do those that it starts, nor what they log, keep or send."""
    if name not in leaves():
        pytest.skip(f"there is no command {name} yet")  # pragma: no cover
    told = {**settings("right", known), "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    with (
        leaks.telemetry_sink(found) as sink,
        leaks.watching_commands(found, known.port),
        known.admin() as admin,
    ):
        admin.flushall()
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink
        if name == "serve":
            done = _stopped(place, told, name, lambda: any(place.glob("served/*")))
        elif name == "loadtest chaos":
            # To its end it would take a minute. Not just two: one that was killed and its successor
            # may both be there before anybody looks.
            done = _stopped(place, told, name, lambda: admin.scard(keys.consumers()) >= 2)
        else:
            done = process(place, told, *name.split(), *CASES[name], python=("-X", "dev"))
        assert done.returncode in (0, 130), done.stderr
        # A crew that `pool up` has started goes on without it, until it is idle.
        eventually(
            lambda: all(client["user"] != USER for client in admin.client_list()), 20, "the end"
        )
        found.look("standard output", done.stdout)
        found.look("standard error", done.stderr)
        found.look_at_server(admin)


def _stopped(
    place: Path, told: Mapping[str, str], name: str, ready: Callable[[], object]
) -> subprocess.CompletedProcess[str]:
    """Run a command that stays until something is to be seen of it, and then Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "azfinsim", *name.split(), *CASES[name], "--json"],
        cwd=place,
        env={**leaks.without_settings(), "PYTHONPATH": str(ROOT), **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        eventually(lambda: ready() or serving.poll() is not None, 60, f"{name} at work")
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate(timeout=45)
    return subprocess.CompletedProcess([], serving.returncode, out, err)


def test_those_apart_say_nothing_of_what_they_inherit(
    known: Servers,
    place: Path,
    found: Leaks,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings("right", known).items():
        monkeypatch.setenv(name, value)
    there = leaves()
    for name, arguments in APART.items():
        if name in there:
            assert run(capfd, found, *name.split(), *arguments) in (0, 2)


@pytest.mark.parametrize("way", ["right", "right file", "right URL"])
def test_no_object_shows_it(way: str, known: Servers, place: Path, found: Leaks) -> None:
    """Neither ours nor the client's: a debugger, a log or somebody's traceback may ask them."""
    told = settings(way, known)
    address = Address.parse(told[f"{SETTING}URL"], told)
    kept = [Fleet(FleetSettings(address, 1, place / "logs")), address.with_partitions(1)]

    async def live() -> None:
        async with open_grid(address) as grid, connect(address) as client:
            assert await grid.redis.ping()
            found.look_at_objects()
            assert client

    anyio.run(live)
    with connect_sync(address) as client:
        found.look_at_objects()
    gc.collect()
    assert kept
    assert client
    assert address.login is not None
    assert address.login.read() == RIGHT


CRASHES = {
    "an exception": "raise RuntimeError('boom')",
    "a group of them": "raise BaseExceptionGroup('boom', [RuntimeError('boom'), KeyError('x')])",
    "a signal": "faulthandler._sigsegv()",
    "rich, with what variables hold": "raise RuntimeError('boom')",
}

PROGRAM = """
import faulthandler
import sys
if {rich}:
    import rich.traceback
    rich.traceback.install(show_locals=True)
faulthandler.enable()
import engine.connection

async def crash(*_):
    {crash}

engine.connection._check_version = crash
sys.argv = ["azfinsim", {command!r}, *{arguments!r}]
from azfinsim.__main__ import main
main()
"""


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("name", ["consume", "job list"])
def test_no_crash_shows_it(
    name: str, crash: str, known: Servers, place: Path, found: Leaks
) -> None:
    """A defect of ours ends in a traceback, which people paste into tickets."""
    command, *more = name.split()
    program = PROGRAM.format(
        rich=crash.startswith("rich"), crash=CRASHES[crash], command=command, arguments=more
    )
    done = process(place, settings("right URL", known), python=("-X", "dev", "-c", program))
    assert "boom" in done.stderr or "Segmentation fault" in done.stderr, done.stderr
    found.look("a crash", done.stdout + done.stderr)


def test_no_log_shows_what_variables_hold(capfd: pytest.CaptureFixture[str], found: Leaks) -> None:
    """As rich would, which structlog chooses where it is installed."""
    import structlog

    for form in ("console", "json"):
        logs.configure(form, "debug")
        password = RIGHT
        try:
            raise ValueError(len(password))
        except ValueError:
            structlog.get_logger().exception("it went wrong")
    structlog.reset_defaults()
    told = capfd.readouterr()
    assert "it went wrong" in told.err
    found.look("a log", told.err)


def test_the_mark_would_be_seen(known: Servers, place: Path) -> None:
    """Each of the places is looked at: leaked there on purpose, the password is found."""
    seen = Leaks()
    with leaks.watching_processes(seen), known.admin() as admin:
        held = subprocess.Popen([sys.executable, "-c", "input()", RIGHT], stdin=subprocess.PIPE)
        with leaks.watching_commands(seen, known.port):
            admin.set("key", RIGHT)
            admin.client_setname(leaks.MARK)
        seen.look_at_server(admin)
        (place / "log").write_text(RIGHT)
        seen.look_at_files(place, [])
        eventually(lambda: any("an argument list" in each for each in seen.found), what="a look")
        held.communicate(b"\n")
        admin.delete("key")
    words = "\n".join(seen.found)
    for where in ("an argument list", "MONITOR", "CLIENT LIST", "the value of", "log: "):
        assert where in words, where
