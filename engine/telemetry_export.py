"""Where telemetry goes: Application Insights, or whatever speaks OTLP. For the command-line edge.

Nothing of it is imported unless the environment asks for it. Exporters work in threads of their own
and throw away what they cannot send: pricing never waits for them, and at the end they have
``LAST_WORDS`` seconds.
"""

import atexit
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog

from engine import telemetry
from engine.credentials import IDENTITY, blocking_credential
from engine.errors import UsageError
from engine.machine import lasting_folder

APPLICATION_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"

TRACE_BULK = "AZFINSIM_TRACE_BULK"
"""Which part of the chunks of jobs is traced, from 0 to 1."""

BULK_RATIO = 0.01

LAST_WORDS = 3.0
"""Seconds that what is left may take to be sent."""

COMPLAINTS_EVERY = 60.0
"""Seconds between two log lines that say that telemetry cannot be sent."""

_OTLP = "OTEL_EXPORTER_OTLP_"

_ONLY_WHAT_WE_SAY = {
    # What Azure's distribution would send besides, to others than the resource that was named.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    # Or ask the machine's metadata service for, which elsewhere takes seconds not to answer.
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
    # Its default keeps five traces a second. Who begins a trace decides: each realtime trade has
    # one, and of bulk as many as were asked for.
    "OTEL_TRACES_SAMPLER": "parentbased_always_on",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exporting:
    """What was set up, to be stopped at the end."""

    shutdowns: Sequence[Callable[[], object]]

    def stop(self) -> bool:
        """Send what is left; returns whether that came to an end in time."""

        def end() -> None:
            for shutdown in self.shutdowns:
                shutdown()

        # In a thread that nobody waits for: some exporters take half a minute over a dead sink.
        ending = threading.Thread(target=end, daemon=True, name="telemetry-end")
        ending.start()
        ending.join(LAST_WORDS)
        return not ending.is_alive()


def begin(environment: MutableMapping[str, str], service: str, instance: str) -> Exporting | None:
    """Set up what the environment asks for; None if it asks for nothing.

    ``service`` says what the process is, ``instance`` which of them. Sets variables by which
    Azure's SDK is told to send nothing else. Raises UsageError for a setting that is wrong, and if
    the packages are not installed.
    """
    connection = environment.get(APPLICATION_INSIGHTS, "")
    otlp = any(name.startswith(_OTLP) and value for name, value in environment.items())
    if not connection and not otlp:
        return None
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    ratio = _ratio(environment)
    for name, value in _ONLY_WHAT_WE_SAY.items():
        environment.setdefault(name, value)
    logging.raiseExceptions = False
    for library in ("azure", "opentelemetry"):
        _quieten(logging.getLogger(library))
    resource = _resource(environment, service, instance)
    shutdowns = (
        _begin_azure(environment, connection, resource, otlp=otlp)
        if connection
        else (_begin_otlp(resource))
    )
    for shutdown in shutdowns:
        # Python would wait for it, without end, where the sink does not answer.
        atexit.unregister(shutdown)
    telemetry.begin(ratio)
    return Exporting(shutdowns)


def _ratio(environment: Mapping[str, str]) -> float:
    told = environment.get(TRACE_BULK, "")
    try:
        ratio = float(told or BULK_RATIO)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise UsageError(f"{TRACE_BULK} is {told!r}: must be a number from 0 to 1")
    return ratio


def _resource(environment: Mapping[str, str], service: str, instance: str) -> dict[str, str]:
    places = {f"azfinsim.{name}": environment.get(f"AZ_BATCH_{name.upper()}_ID", "")
              for name in ("pool", "node", "job", "task")}  # fmt: skip
    return {
        "service.namespace": "azfinsim",
        "service.name": service,
        "service.instance.id": instance,
        "service.version": version("azfinsim"),
        **{name: value for name, value in places.items() if value},
    }


def _begin_azure(
    environment: Mapping[str, str], connection: str, resource: Mapping[str, str], *, otlp: bool
) -> Sequence[Callable[[], object]]:
    try:
        from azure.monitor.opentelemetry import configure_azure_monitor
        from opentelemetry import _logs, metrics, trace
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        raise UsageError(
            f"{APPLICATION_INSIGHTS} is set, but the packages that speak to it are not installed: "
            "pip install 'azfinsim[azure]', or unset it"
        ) from None
    options: dict[str, Any] = {}
    if environment.get(IDENTITY):
        options["credential"] = blocking_credential(environment)
    # What cannot be sent now waits there.
    if (folder := lasting_folder(environment, "telemetry")) is not None:
        options["storage_directory"] = str(folder)
    else:
        options["disable_offline_storage"] = True
    if otlp:
        reader, spans, records = _otlp_parts()
        options |= {
            "metric_readers": [reader],
            "span_processors": [spans],
            "log_record_processors": [records],
        }
    try:
        configure_azure_monitor(
            connection_string=connection,
            resource=Resource.create(dict(resource)),
            # Nothing else of ours, nor of those we call, is to be listened to.
            logger_name="azfinsim",
            instrumentation_options={name: {"enabled": False} for name in _instrumented()},
            enable_live_metrics=False,
            enable_performance_counters=False,
            **options,
        )
    except ValueError as error:
        # Not the string itself: it is no secret everywhere.
        raise UsageError(f"{APPLICATION_INSIGHTS} is none: {error}") from None
    # The logs last: they tell what became of the others.
    providers = (
        metrics.get_meter_provider(),
        trace.get_tracer_provider(),
        _logs.get_logger_provider(),
    )
    return [provider.shutdown for provider in providers]  # type: ignore[union-attr]  # The SDK's have it.


def _instrumented() -> Sequence[str]:
    """The libraries that Azure's distribution would instrument."""
    from azure.monitor.opentelemetry import _constants

    return list(_constants._ALL_SUPPORTED_INSTRUMENTED_LIBRARIES)


def _begin_otlp(resource: Mapping[str, str]) -> Sequence[Callable[[], object]]:
    reader, spans, records = _otlp_parts()
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    told = Resource.create(dict(resource))
    meters = MeterProvider([reader], told)
    tracers = TracerProvider(resource=told)
    tracers.add_span_processor(spans)
    loggers = LoggerProvider(told)
    loggers.add_log_record_processor(records)
    metrics.set_meter_provider(meters)
    trace.set_tracer_provider(tracers)
    _logs.set_logger_provider(loggers)
    return [meters.shutdown, tracers.shutdown, loggers.shutdown]


def _otlp_parts() -> tuple[Any, Any, Any]:
    """What sends metrics, spans and log records; the SDK reads its variables itself."""
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            f"{_OTLP}… is set, but the packages that speak OTLP are not installed: "
            "pip install 'azfinsim[otlp]', or unset it"
        ) from None
    try:
        return (
            PeriodicExportingMetricReader(OTLPMetricExporter()),
            BatchSpanProcessor(OTLPSpanExporter()),
            BatchLogRecordProcessor(OTLPLogExporter()),
        )
    except ValueError as error:
        raise UsageError(f"a variable OTEL_… is wrong: {error}") from None


class _Complaints(logging.Handler):
    """Passes on what the libraries complain of, now and then and in our words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + COMPLAINTS_EVERY
            why = record.getMessage().partition("\n")[0][:200]
            # It would only join what cannot be sent.
            log.warning("telemetry may not arrive", why=why, untold=True)


def _quieten(logger: logging.Logger) -> None:
    logger.addHandler(_Complaints())
    logger.propagate = False
    logger.setLevel(logging.WARNING)
