"""The embedded server with real processes, real kills and real data folders."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
import redis.asyncio

from engine import leash, valkey
from engine.embedded import EmbeddedServer
from engine.errors import ServerError, UsageError
from tests.conftest import FreshServer
from tests.waiting import eventually, gone

# An owner: starts a server, says where it is, and waits for ever.
OWNER = """
import pathlib, signal, sys
from engine.embedded import EmbeddedServer, ServerSettings
directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
with EmbeddedServer(ServerSettings(directory=directory)) as server:
    print(server.pid, server.url, flush=True)
    signal.pause()
"""


@contextmanager
def client(server: EmbeddedServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, decode_responses=True) as connected:
        yield connected


def socket_path(url: str) -> Path:
    return Path(url.removeprefix("unix://"))


def use_program(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Have a shell script stand in for the server's program."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(valkey, "find_binary", lambda: str(program))


def test_by_default_a_unix_socket_in_a_folder_of_its_own() -> None:
    with EmbeddedServer() as server:
        path = socket_path(server.url)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with client(server) as connected:
            assert connected.info("server")["process_id"] == server.pid
            assert connected.config_get("save")["save"] == ""
            assert connected.config_get("port")["port"] == "0"
    assert not path.parent.exists()


def test_settings_that_cannot_be_used(fresh_server: FreshServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"port 65536 is not in 0\.\.65535"):
        fresh_server(port=65_536)
    with pytest.raises(UsageError, match=r"cannot keep data in .*file: File exists"):
        fresh_server(directory=tmp_path / "file")
    with pytest.raises(UsageError, match=r"cannot keep data in .*below: Not a directory"):
        fresh_server(directory=tmp_path / "file" / "below")
    with pytest.raises(UsageError, match=r"cannot write .*log: No such file"):
        fresh_server(log_path=tmp_path / "none" / "log")


def test_data_and_log_survive_sigkill_in_a_directory(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    directory = tmp_path / 'it\'s a "folder" for data'
    server = fresh_server(directory=directory, port=0)
    url, pid = server.url, server.pid
    with client(server) as connected:
        connected.set("key", "value")
        server.kill()
        assert not server.running
        server.start()
        assert connected.get("key") == "value"
    assert server.url == url
    assert server.pid != pid
    server.stop()
    assert server.log_path == directory / "valkey.log"
    assert server.log_path.read_text().count("Ready to accept connections") == 2
    kept = {path.name for path in directory.iterdir()}
    assert kept == {"appendonlydir", "azfinsim.lock", "valkey.log"}


def test_a_restart_keeps_address_and_data(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path)
    url = server.url
    with client(server) as connected:
        connected.set("key", "value")
        server.restart()
        assert connected.get("key") == "value"
    assert server.url == url


def test_without_a_directory_sigkill_leaves_an_empty_server(fresh_server: FreshServer) -> None:
    server = fresh_server()
    url = server.url
    with client(server) as connected:
        connected.set("key", "value")
        server.kill()
        server.start()
        assert connected.dbsize() == 0
    assert server.url == url


def test_a_log_kept_elsewhere(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(log_path=tmp_path / "log")
    server.stop()
    assert "ready to exit" in (tmp_path / "log").read_text()


def test_a_directory_is_for_one_server(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path)
    with pytest.raises(UsageError, match=f"in use by another server: {server.url} .pid"):
        fresh_server(directory=tmp_path)
    assert server.running


def test_a_dead_server_s_directory_is_free_while_its_owner_lives(
    fresh_server: FreshServer, tmp_path: Path
) -> None:
    server = fresh_server(directory=tmp_path)
    os.kill(server.pid, signal.SIGKILL)
    other = fresh_server(directory=tmp_path)
    assert other.running
    assert server.wait(10)


def test_a_server_that_dies_is_noticed_and_can_be_started_again(
    fresh_server: FreshServer,
) -> None:
    server = fresh_server()
    assert not server.wait(0.01)
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait(10)
    assert not server.running
    server.start()
    assert server.running


def test_start_and_stop_may_come_again() -> None:
    server = EmbeddedServer()
    server.stop()
    for _ in range(2):
        server.start()
        pid = server.pid
        server.start()
        assert server.pid == pid
        server.stop()
        server.stop()
        assert not server.running


def test_what_is_not_started_says_so() -> None:
    server = EmbeddedServer()
    for ask in (
        lambda: server.url,
        lambda: server.pid,
        lambda: server.log_path,
        server.kill,
        server.restart,
        server.wait,
    ):
        with pytest.raises(ServerError, match="not started"):
            ask()


def test_a_frozen_server_is_killed_when_stopped(fresh_server: FreshServer) -> None:
    server = fresh_server(stop_timeout=0.05)
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("keep", [False, True])
def test_an_owner_s_sigkill_ends_the_server(
    keep: bool, fresh_server: FreshServer, tmp_path: Path
) -> None:
    arguments = [str(tmp_path)] if keep else []
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, *arguments], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout
        pid, url = owner.stdout.readline().split()
        with redis.Redis.from_url(url) as connected:
            connected.set("key", "value")
        owner.kill()
    if keep:
        # At once: the last server is still on its way out.
        with client(fresh_server(directory=tmp_path)) as connected:
            assert connected.get("key") == "value"
    eventually(lambda: gone(int(pid)))
    eventually(lambda: not socket_path(url).parent.exists())


def test_a_server_that_does_not_come_up_says_why(fresh_server: FreshServer) -> None:
    with pytest.raises(ServerError, match=r"(?s)ended while starting.*no-such-option"):
        fresh_server(config={"no-such-option": "1"})


def test_damaged_data_is_told(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path)
    server.stop()
    (data,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    data.write_text("not a command\n")
    with pytest.raises(
        ServerError, match=rf"(?s)its log, {tmp_path}/valkey.log, .*Bad file format"
    ):
        fresh_server(directory=tmp_path)


def test_a_server_that_never_answers_is_given_up(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_program(monkeypatch, tmp_path, f"echo $$ > {tmp_path}/pid; echo hm; exec sleep 60")
    with pytest.raises(ServerError, match=r"(?s)did not answer for 0.5 s; .*hm"):
        fresh_server(start_timeout=0.5)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_loading_much_data_takes_its_time(fresh_server: FreshServer, tmp_path: Path) -> None:
    server = fresh_server(directory=tmp_path)
    with client(server) as connected, connected.pipeline(transaction=False) as pipe:
        for number in range(4_000):
            pipe.set(str(number), number)
        pipe.execute()
    server.stop()
    slow = {"key-load-delay": "500"}  # microseconds a key: 2 s in all
    server = fresh_server(directory=tmp_path, config=slow, start_timeout=1.0)
    with client(server) as connected:
        assert connected.dbsize() == 4_000


def test_no_process_can_be_started(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ropes = set(leash._ropes)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(FileNotFoundError):
        fresh_server()
    assert leash._ropes == ropes


def test_a_deep_temporary_folder_is_passed_over(
    fresh_server: FreshServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("deep" * 30)))
    server = fresh_server()
    assert socket_path(server.url).parent.parent == Path("/tmp")


async def test_from_async_code() -> None:
    with EmbeddedServer() as server:
        async with redis.asyncio.Redis.from_url(server.url) as connected:
            assert await connected.ping()


def test_nothing_is_left_open(fresh_server: FreshServer, tmp_path: Path) -> None:
    before, ropes = set(os.listdir("/dev/fd")), set(leash._ropes)
    server = fresh_server(directory=tmp_path)
    for end in (server.kill, server.restart, server.stop):
        server.start()
        end()
    with pytest.raises(ServerError):
        fresh_server(config={"no-such-option": "1"})
    assert set(os.listdir("/dev/fd")) == before
    assert leash._ropes == ropes


@pytest.mark.parametrize("turn", range(2))
def test_each_test_finds_the_shared_server_empty(turn: int, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connected:
        assert connected.dbsize() == 0
        connected.set("key", turn)


def test_a_shared_server_that_a_test_killed_is_back(server: EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait(10)


def test_the_shared_server_is_back(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connected:
        assert connected.ping()
