"""The leash with real processes: who ends with whom, and what is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine import leash
from tests.waiting import eventually, gone

Own = Callable[..., "subprocess.Popen[str]"]

# An owner: puts a command on a leash, says its pid, and waits for ever.
OWNER = """
import os, signal, sys
from engine import leash
grace, remove, fork, *command = sys.argv[1:]
with open(os.devnull, "wb") as output:
    held = leash.start(command, grace=float(grace), output=output, remove=remove)
if fork == "fork":
    other = os.fork()
    if other == 0:
        signal.pause()
    print(other)
print(held.process.pid, flush=True)
signal.pause()
"""

# Says that it is up, and on SIGTERM goes in good order.
ORDERLY = "trap 'touch {0}/bye; exit 0' TERM; touch {0}/up; while :; do sleep 0.01; done"
STUBBORN = "trap '' TERM; touch {0}/up; while :; do sleep 0.01; done"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    owners: list[subprocess.Popen[str]] = []

    def start(
        script: str, *, grace: float = 10.0, remove: str = "", fork: bool = False
    ) -> "subprocess.Popen[str]":
        command = ["/bin/sh", "-c", script.format(tmp_path)]
        options = [str(grace), remove, "fork" if fork else ""]
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, *options, *command], stdout=subprocess.PIPE, text=True
        )
        owners.append(owner)
        return owner

    yield start
    for owner in owners:
        owner.kill()
        owner.communicate()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """Where a command writes; and no watcher is left when the test is over."""
    yield tmp_path / "output"
    eventually(lambda: not watchers(tmp_path), what="watchers end")


def watchers(mark: Path) -> list[psutil.Process]:
    """The leash processes whose command line has ``mark`` in it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if leash.__file__ in line and str(mark) in line:
            found.append(process)
    return found


def put_on_leash(script: str, output: Path, *, remove: str = "") -> leash.Leash:
    command = ["/bin/sh", "-c", f": {output}; {script}"]
    with open(output, "ab") as log:
        return leash.start(command, grace=10, output=log, remove=remove)


def said_pid(owner: "subprocess.Popen[str]") -> int:
    assert owner.stdout
    return int(owner.stdout.readline())


def test_the_child_is_the_command_itself(output: Path) -> None:
    held = put_on_leash("echo $$; exit 7", output)
    assert held.process.wait(10) == 7
    assert output.read_text() == f"{held.process.pid}\n"
    held.release()


def test_a_signal_s_end_is_told_as_one(output: Path) -> None:
    held = put_on_leash("kill -9 $$", output)
    assert held.process.wait(10) == -signal.SIGKILL
    held.release()


def test_the_command_is_out_of_the_terminal_s_reach(output: Path) -> None:
    held = put_on_leash("sleep 60", output)
    assert os.getsid(held.process.pid) == held.process.pid
    assert held.stop(10) == -signal.SIGTERM


def test_the_command_has_no_input_and_default_sigpipe(output: Path) -> None:
    # With SIGPIPE ignored, the writer would complain of a broken pipe instead of ending by it.
    held = put_on_leash("cat; yes | head -n 1", output)
    assert held.process.wait(10) == 0
    held.release()
    assert output.read_text() == "y\n"


def test_stop_kills_what_ignores_sigterm(output: Path) -> None:
    held = put_on_leash("trap '' TERM; echo up; while :; do sleep 0.01; done", output)
    eventually(lambda: output.read_text() == "up\n")
    assert held.stop(0.05) == -signal.SIGKILL


def test_stop_kill_and_release_may_come_again(output: Path) -> None:
    held = put_on_leash("sleep 60", output)
    assert held.kill() == held.kill() == held.stop(1) == -signal.SIGKILL
    held.release()


def test_kill_ends_what_the_command_forked(output: Path) -> None:
    held = put_on_leash("sleep 60 & echo $!; wait", output)
    forked = int(eventually(output.read_text))
    held.kill()
    eventually(lambda: gone(forked))


def test_a_command_that_was_let_go_goes_on(output: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    held = put_on_leash("echo up; sleep 60", output, remove=str(folder))
    eventually(lambda: output.read_text() == "up\n")
    held.release()
    eventually(lambda: not watchers(tmp_path))
    assert held.process.poll() is None
    assert folder.exists()
    held.kill()


def test_a_command_that_cannot_run(output: Path) -> None:
    with open(output, "ab") as log:
        held = leash.start(["/no/such/program", str(output)], grace=1, output=log)
    assert held.process.wait(10) == leash.CANNOT_RUN
    held.release()
    assert output.read_text() == "cannot run /no/such/program: No such file or directory\n"


def test_the_watcher_holds_nothing_of_the_command_s(output: Path) -> None:
    read_end, write_end = os.pipe()
    kept_read, kept_write = os.pipe()
    with os.fdopen(write_end, "wb") as pipe, os.fdopen(kept_write, "wb"):
        held = leash.start(["/bin/echo", str(output)], grace=1, output=pipe, pass_fds=[kept_write])
    with os.fdopen(read_end, "rb") as said, os.fdopen(kept_read, "rb") as kept:
        assert said.read() == f"{output}\n".encode()
        assert kept.read() == b""
    held.process.wait(10)
    held.release()


def test_an_owner_s_sigkill_ends_the_command_in_good_order(own: Own, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "in it").mkdir(parents=True)
    owner = own(ORDERLY, remove=str(folder))
    pid = said_pid(owner)
    eventually((tmp_path / "up").exists)
    owner.kill()
    eventually(lambda: gone(pid))
    assert (tmp_path / "bye").exists()
    eventually(lambda: not folder.exists())
    eventually(lambda: not watchers(tmp_path))


def test_an_owner_that_just_ends_takes_the_command_along(own: Own, tmp_path: Path) -> None:
    owner = own(ORDERLY)
    pid = said_pid(owner)
    eventually((tmp_path / "up").exists)
    owner.terminate()
    eventually(lambda: gone(pid))
    assert (tmp_path / "bye").exists()


def test_a_stubborn_command_is_killed_after_the_grace(own: Own, tmp_path: Path) -> None:
    owner = own(STUBBORN, grace=0.05)
    pid = said_pid(owner)
    eventually((tmp_path / "up").exists)
    owner.kill()
    eventually(lambda: gone(pid))
    eventually(lambda: not watchers(tmp_path))


def test_a_fork_of_the_owner_that_lives_on_does_not_count(own: Own, tmp_path: Path) -> None:
    owner = own(ORDERLY, fork=True)
    fork, pid = said_pid(owner), said_pid(owner)
    try:
        eventually((tmp_path / "up").exists)
        owner.kill()
        eventually(lambda: gone(pid))
        assert not gone(fork)
    finally:
        os.kill(fork, signal.SIGKILL)


def test_the_watcher_of_a_dead_command_still_removes_the_folder(own: Own, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    owner = own(ORDERLY, remove=str(folder))
    pid = said_pid(owner)
    eventually((tmp_path / "up").exists)
    os.kill(pid, signal.SIGKILL)
    assert folder.exists()
    owner.kill()
    eventually(lambda: not folder.exists())


def test_signals_do_not_end_the_watcher(own: Own, tmp_path: Path) -> None:
    owner = own(ORDERLY)
    pid = said_pid(owner)
    eventually((tmp_path / "up").exists)
    (watcher,) = eventually(lambda: [w for w in watchers(tmp_path) if w.pid != pid])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        watcher.send_signal(number)
    owner.kill()
    eventually(lambda: gone(pid))
    assert (tmp_path / "bye").exists()
