"""How logs are written: structlog, on standard error, as JSON or for a person."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import EventDict

from engine import telemetry

Beside = Callable[[str], None]
"""Takes lines with their ends; must neither wait nor fail."""


class _Forgiving:
    """Standard error, whose reader may leave, or disk be full: no reason to stop pricing."""

    def __init__(self, beside: Beside | None) -> None:
        self._beside = beside

    def write(self, line: str) -> None:
        if self._beside is not None:
            self._beside(line)
        with suppress(OSError):
            sys.stderr.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


LogFormat = Literal["console", "json"]


def _link(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put the IDs of the trace in place of the context by which it came."""
    if (parent := event.pop("traceparent", None)) is not None:
        event.update(telemetry.ids_of(parent))
    return event


def _tell(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Pass a line on to telemetry, unless it is about telemetry."""
    if not event.pop("untold", False):
        telemetry.tell(event)
    return event


def configure(log_format: LogFormat, level: str, beside: Beside | None = None) -> None:
    """Set up logging for this process; ``level`` is a name such as ``info``.

    ``beside`` is given each line, too.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _link,
        _tell,
    ]
    if log_format == "json":
        shared += [structlog.processors.JSONRenderer()]
    else:
        # Not rich's tracebacks, which are its choice and show what every variable holds.
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty() and beside is None
        shared += [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Forgiving(beside))),
        cache_logger_on_first_use=True,
    )
