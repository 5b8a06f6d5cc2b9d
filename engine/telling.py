"""What a process tells others while it works: its log and its telemetry. For the edge alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from engine import logs, telemetry_export
from engine.blobs import open_blobs
from engine.edge import note
from engine.errors import UsageError
from engine.log_stream import LogStream
from engine.machine import lasting_folder


@contextmanager
def logging_to(
    place: str | None, name: str, log_format: logs.LogFormat, level: str
) -> Iterator[None]:
    """Log to standard error while the body runs, and to blobs at a place besides, if there is one.

    ``name`` is what their names begin with. Raises UsageError for a place that is none.
    """
    logs.configure(log_format, level)
    if not place:
        yield
        return
    folder = lasting_folder(os.environ, "logs")
    if folder is None:
        raise UsageError(
            "--logs needs a folder for what cannot be sent at once: set XDG_CACHE_HOME to one that "
            "can be written to"
        )
    complain = structlog.get_logger().warning
    stream = LogStream(
        open_blobs(place, os.environ),
        name,
        folder,
        lambda why: complain("the log cannot be sent", why=why),
    )
    logs.configure(log_format, level, stream.write)
    try:
        yield
    finally:
        if not stream.stop():
            note(f"the end of the log could not be sent in time: it is left in {folder}")


@contextmanager
def telling(service: str, instance: str = "") -> Iterator[None]:
    """Send telemetry while the body runs, if the environment says where to.

    ``service`` says what this process is, ``instance`` which of them.
    """
    exporting = telemetry_export.begin(os.environ, service, instance or str(os.getpid()))
    try:
        yield
    finally:
        if exporting is not None and not exporting.stop():
            note("the last telemetry could not be sent in time")
