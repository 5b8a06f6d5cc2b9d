"""A leash for foreign programs: the program is stopped when its owner is gone, even by SIGKILL.

What may live here: the small program that runs a command on a leash, and the helper by which an
owner starts one. The standard library only: the program runs without site-packages, to start fast.

    python -I -S leash.py GRACE REMOVE COMMAND [ARGUMENT...]

Its standard input is the read end of a pipe; the owner holds the only write end. It forks off a
watcher and then *becomes* COMMAND, so that the owner's child is the command itself, with its own
pid, signals and exit code. When the pipe ends without a word, the owner is gone: the watcher sends
the command's process group SIGTERM, after GRACE seconds SIGKILL, and removes the folder REMOVE
(an empty string: none). A byte in the pipe says that the owner let go: the watcher leaves all as
it is. PR_SET_PDEATHSIG would be shorter, but it fires when the *thread* that started the command
ends, and only Linux has it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, NoReturn

# Seconds that the kernel may take to end a process after SIGKILL (one in a disk write, say).
_KILL_SECONDS = 10.0

# Exit code of the program when COMMAND cannot be run, as shells have it.
CANNOT_RUN = 127

# The write ends that this process holds, see _drop_ropes.
_ropes: set[int] = set()


class Leash:
    """A running command whose life is tied to this process; made by :func:`start`."""

    def __init__(self, process: "subprocess.Popen[bytes]", rope: int) -> None:
        self.process = process
        self._rope: int | None = rope

    def stop(self, seconds: float) -> int:
        """Send SIGTERM, after ``seconds`` SIGKILL; return the exit code as Popen has it.

        The leash is off afterwards. May be called again.
        """
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()
        self.release()
        return self.process.returncode

    def kill(self) -> int:
        """Send SIGKILL to the command and what it forked; return the exit code as Popen has it.

        The leash is off afterwards. May be called again.
        """
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.release()
        return self.process.returncode

    def release(self) -> None:
        """Let go: whatever still runs goes on without an owner. May be called again."""
        rope, self._rope = self._rope, None
        if rope is None or rope not in _ropes:  # not among them: this is a forked child
            return
        _ropes.discard(rope)
        # Somebody may have killed the watcher; then there is nobody to tell.
        with contextlib.suppress(BrokenPipeError):
            os.write(rope, b".")
        os.close(rope)


def start(
    command: Sequence[str],
    *,
    grace: float,
    output: IO[bytes],
    remove: str = "",
    cwd: str | None = None,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> Leash:
    """Run ``command`` on a leash, in a session of its own, so that Ctrl-C does not reach it.

    ``grace`` is the time in seconds between SIGTERM and SIGKILL once this process is gone;
    ``remove`` the absolute path of a folder to remove then; ``output`` gets the command's output
    and errors; ``environment`` replaces this process's own. The command, but not its watcher,
    inherits ``pass_fds``. A command that cannot be
    run ends with exit code 127 and the reason in ``output``. Raises OSError if no process can be
    started.
    """
    read_end, rope = os.pipe()
    _ropes.add(rope)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(grace), remove, *command],
            stdin=read_end,
            stdout=output,
            stderr=output,
            cwd=cwd,
            pass_fds=pass_fds,
            env=environment,
            start_new_session=True,
        )
    except BaseException:
        _ropes.discard(rope)
        os.close(rope)
        raise
    finally:
        os.close(read_end)
    return Leash(process, rope)


def _drop_ropes() -> None:
    """Close the write ends that a forked child got: it must not keep the pipe open for its parent.

    A process pool's workers outlive a killed parent, and the command would with them.
    """
    for rope in _ropes:
        os.close(rope)
    _ropes.clear()


os.register_at_fork(after_in_child=_drop_ropes)


def _main(grace: float, remove: str, command: list[str]) -> None:
    if os.getpgrp() != os.getpid():
        os.setsid()
    life, life_held = os.pipe()
    middle = os.fork()
    if middle == 0:
        _fork_watcher(life, os.getpgrp(), grace, remove)
    os.waitpid(middle, 0)
    os.set_inheritable(life_held, True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Python ignores SIGPIPE, and what is ignored stays so in the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
        os._exit(CANNOT_RUN)


def _fork_watcher(life: int, group: int, grace: float, remove: str) -> NoReturn:
    """Fork the watcher off a process that ends: the command must not find a child it never had.

    When that has ended, the watcher is already out of reach of what is meant for the command.
    """
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            _watch(life, group, grace, remove)
    finally:
        os._exit(0)


def _watch(life: int, group: int, grace: float, remove: str) -> None:
    """Wait for the owner's end, then end the process group and remove the folder.

    ``life`` is a pipe whose other end the command holds, and all that it forks: while it is open
    the group exists, so its number cannot have passed to somebody else.
    """
    os.chdir("/")
    _close_all_but(0, life)
    if os.read(0, 1):
        return
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        if _ended(life, 0):
            break
        try:
            os.killpg(group, number)
        except OSError:
            break  # gone in this moment; macOS says EPERM of a group that is all zombies
        if _ended(life, seconds):
            break
    if remove:
        # Only now: most watchers never need it, and it takes as long to load as all the rest.
        import shutil

        shutil.rmtree(remove, ignore_errors=True)


def _ended(life: int, seconds: float) -> bool:
    return bool(select.select([life], [], [], seconds)[0])


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor: a lock or a pipe of the command's must not live on here."""
    for name in os.listdir("/dev/fd"):
        if int(name) not in kept:
            # One of them is the descriptor that listed the folder, closed since.
            with contextlib.suppress(OSError):
                os.close(int(name))


if __name__ == "__main__":
    _main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
