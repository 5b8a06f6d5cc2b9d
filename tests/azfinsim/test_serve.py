"""``azfinsim serve`` as its user has it: a process, its output, its signals and its exit code."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from engine import keys
from tests.waiting import eventually, gone

Process = subprocess.Popen[str]
Serve = Callable[..., Process]

SERVE = [sys.executable, "-m", "azfinsim", "serve"]

# Runs its arguments as a shell does with a command in the foreground of a terminal.
IN_TERMINAL = f"""
import fcntl, os, sys, termios
fcntl.ioctl(0, {termios.TIOCSCTTY}, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts the command with its arguments; what still runs is killed."""
    started: list[Process] = []

    def start(*arguments: str | Path, port: int = 0) -> Process:
        command = [*SERVE, "--port", str(port), *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ready(process: Process) -> dict[str, Any]:
    """What ``--json`` says once the server is ready."""
    assert process.stdout
    about: dict[str, Any] = json.loads(process.stdout.readline())
    return about


def ended(process: Process) -> tuple[int, str, str]:
    """The exit code, and what was still to come on standard output and error."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@contextmanager
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True) as connected:
        yield connected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_stop(serve: Serve, number: signal.Signals) -> None:
    process = serve("--json")
    about = ready(process)
    with client(about["url"]) as connected:
        assert connected.info("server")["process_id"] == about["pid"]
    assert about["dir"] is None
    log = Path(about["log"])
    assert log.exists()
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (0, "")
    assert f"export AZFINSIM_REDIS_URL={about['url']}\n" in err
    assert "in memory only" in err
    assert err.endswith("Stopped.\n")
    assert gone(about["pid"])
    assert not log.parent.exists()


def test_what_people_read_is_on_standard_error(serve: Serve) -> None:
    process = serve()
    assert process.stderr
    assert process.stderr.readline().startswith("The server is ready at redis://127.0.0.1:")
    process.terminate()
    assert ended(process)[:2] == (0, "")


def test_data_is_kept_in_a_directory(serve: Serve, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    for turn in range(2):
        process = serve("--json", "--dir", directory)
        about = ready(process)
        assert about["dir"] == str(directory)
        assert about["log"] == str(directory / "valkey.log")
        with client(about["url"]) as connected:
            assert connected.incr("turns") == turn + 1
        process.terminate()
        code, _, err = ended(process)
        assert code == 0
        assert err.endswith(f"Stopped; the data is kept in {directory}.\n")
    assert (directory / "valkey.log").read_text().count("ready to exit") == 2


def test_a_grid_of_as_many_partitions(serve: Serve, tmp_path: Path) -> None:
    process = serve("--json", "--dir", tmp_path, "--partitions", "3")
    with client(ready(process)["url"]) as connected:
        assert connected.hget(keys.grid(), "partitions") == "3"
    process.terminate()
    assert ended(process)[0] == 0
    code, out, err = ended(serve("--json", "--dir", tmp_path, "--partitions", "4"))
    assert (code, out) == (2, "")
    assert "has 3 partitions and not 4, which cannot be changed" in err


def test_a_taken_port_is_named_with_the_ways_out(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = ended(serve("--json", port=port))
    assert (code, out) == (3, "")
    assert f"port {port} on 127.0.0.1 is taken" in err
    assert "--port 0" in err
    assert f"--redis-url redis://127.0.0.1:{port}/0" in err
    assert "Traceback" not in err


def test_a_directory_in_use_is_wrong_usage(serve: Serve, tmp_path: Path) -> None:
    url = ready(serve("--json", "--dir", tmp_path))["url"]
    code, out, err = ended(serve("--json", "--dir", tmp_path))
    assert (code, out) == (2, "")
    assert f"in use by another server: {url}" in err


def test_a_directory_that_is_a_file_is_wrong_usage(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = ended(serve("--dir", tmp_path / "file"))
    assert code == 2
    assert "cannot keep data in" in err


def test_a_server_that_dies_is_an_error(serve: Serve, tmp_path: Path) -> None:
    process = serve("--json", "--dir", tmp_path)
    os.kill(ready(process)["pid"], signal.SIGKILL)
    code, out, err = ended(process)
    assert (code, out) == (3, "")
    assert "ended by itself" in err
    assert "Ready to accept connections" in err
    assert str(tmp_path / "valkey.log") in err


def test_sigkill_takes_the_server_along(serve: Serve) -> None:
    process = serve("--json")
    about = ready(process)
    process.kill()
    eventually(lambda: gone(about["pid"]))
    eventually(lambda: not Path(about["log"]).parent.exists())


def test_a_second_signal_ends_it_at_once(serve: Serve) -> None:
    process = serve("--json")
    about = ready(process)
    server = psutil.Process(about["pid"])
    server.suspend()  # so that it cannot stop in good order
    process.terminate()
    # Two that come at the same moment would count as one.
    assert process.stderr is not None
    assert any("Stopping" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0  # a frozen server is given 10 seconds
    eventually(lambda: gone(about["pid"]))
    eventually(lambda: not Path(about["log"]).parent.exists())


def test_ctrl_c_in_a_terminal_stops_the_server_in_good_order(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL, *SERVE, "--port", "0", "--dir", str(tmp_path)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr
        process.stderr.readline()
        os.write(ours, b"\x03")
        code, _, err = ended(process)
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    assert code == 0
    assert err.endswith(f"Stopped; the data is kept in {tmp_path}.\n")
    log = (tmp_path / "valkey.log").read_text()
    assert "Received SIGTERM" in log
    assert "Received SIGINT" not in log
    assert "ready to exit" in log
