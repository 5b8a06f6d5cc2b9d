"""Telemetry by the real SDKs into sinks on this machine: all arrives, and nothing harms."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from engine import telemetry
from engine.measures import FIGURES
from tests.processes import Field, prices, synthetic
from tests.telemetry_sinks import Sink, sink
from tests.waiting import eventually

SOON = 20.0

EVERY_MS = "500"
"""Between exports."""

BOUND = 8.0
"""Seconds in which a consumer leaves although nobody takes its last telemetry."""

# What a run without mishaps does not show.
ONLY_IN_TROUBLE = {
    "azfinsim.dead",
    "azfinsim.redeliveries",
    "azfinsim.handed_back",
    "azfinsim.settle.refused",
    "azfinsim.unreadable",
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Has consumers export often, and keep what they cannot send in the test's own folder."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", EVERY_MS)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", EVERY_MS)
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", EVERY_MS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return monkeypatch


@contextmanager
def trap() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy for all that is not on this machine; what asks it for anything is noted."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    try:
                        asked.append(connection.recv(200))
                    except OSError:
                        asked.append(b"?")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def price_once(field: Field) -> None:
    """What a client's process does that asks for one price."""
    import subprocess

    command = [sys.executable, "-m", "azfinsim", "price", "--redis-url", field.url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.pain("arq#297", "arq#317", "arq#469")
def test_all_of_it_arrives(field: Field, quick: pytest.MonkeyPatch) -> None:
    field.fill(300)
    with sink() as azure, trap() as (proxy, asked):
        quick.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", azure.connection_string)
        quick.setenv("AZFINSIM_TRACE_BULK", "1")
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            quick.setenv(name, proxy)
        quick.setenv("NO_PROXY", "127.0.0.1")
        [consumer] = field.serve("--slots", "2")
        field.done(field.submit(synthetic("told", 1)))
        price_once(field)
        eventually(lambda: "azfinsim.trades" in azure.metrics(), SOON, "metrics")
        assert consumer.end() == 0
        check_metrics(azure)
        check_traces(azure)
        check_logs(azure, consumer.serving())
        assert not asked, "somebody else was spoken to"


def check_metrics(azure: Sink) -> None:
    points = azure.metrics()
    names = {measure.name for measure in (*telemetry.COUNTS, *telemetry.LEVELS)}
    names |= {f"{times.name}.{figure}" for times in telemetry.TIMES for figure in FIGURES}
    assert names - points.keys() == ONLY_IN_TROUBLE
    # What Azure sums up are differences.
    trades: dict[tuple[str, str, str], float] = {}
    for point in points["azfinsim.trades"]:
        told = point["properties"]
        labels = (told["outcome"], told["lane"], told["algorithm"])
        trades[labels] = trades.get(labels, 0) + point["value"]
    assert trades == {("priced", "bulk", "synthetic"): 300, ("priced", "realtime", "pvonly"): 1}
    bulk = [p for p in points["azfinsim.price.p50"] if p["properties"]["lane"] == "bulk"]
    assert 0.0009 < bulk[0]["value"] < 0.1
    settled = {p["properties"]["lane"] for p in points["azfinsim.settle.p99"]}
    assert settled == {"bulk", "realtime"}
    slots = {(p["value"], p["properties"]["lanes"]) for p in points["azfinsim.slots"]}
    assert slots == {(4, "realtime,high,bulk")}


def check_traces(azure: Sink) -> None:
    # A realtime trade is one trace, from the client to the consumer and its pricer.
    spans = {
        (e["data"]["baseData"]["name"], e["tags"]["ai.operation.id"]): e
        for e in azure.envelopes
        if e["data"]["baseType"] in ("RequestData", "RemoteDependencyData")
    }
    [(_, trace)] = [key for key in spans if key[0] == "price"]
    asked, served, priced = (spans[name, trace] for name in ("price", "serve", "pricer"))
    assert served["tags"]["ai.operation.parentId"] == asked["data"]["baseData"]["id"]
    assert priced["tags"]["ai.operation.parentId"] == served["data"]["baseData"]["id"]
    assert served["data"]["baseData"]["properties"]["azfinsim.outcome"] == "priced"
    assert asked["data"]["baseData"]["properties"]["azfinsim.outcome"] == "priced"
    # And each chunk of a job is one of its own.
    chunks = [e for (name, _), e in spans.items() if name == "chunk"]
    told = [e["data"]["baseData"]["properties"] for e in chunks]
    assert {p["azfinsim.job"] for p in told} == {"told"}
    assert sum(int(p["azfinsim.trades"]) for p in told) == 300


def check_logs(azure: Sink, name: str) -> None:
    lines = {data["message"]: data["properties"] for data in azure.of_type("MessageData")}
    assert lines["serving"]["consumer"] == name
    assert "left" in lines


def test_a_log_line_about_a_traced_call_has_its_ids(
    field: Field, quick: pytest.MonkeyPatch
) -> None:
    with sink() as azure:
        quick.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", azure.connection_string)
        [consumer] = field.serve("--slots", "1")
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        logged = consumer.events("serving")[0]
        assert "trace_id" not in logged
        assert telemetry.ids_of(parent) == {
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
        }
        assert consumer.end() == 0


@pytest.mark.parametrize("parent", ["", "x", "00-zz-zz-zz", "00-" + "0" * 32 + "-1-01", "\udcff"])
def test_a_trace_context_that_is_none_has_no_ids(parent: str) -> None:
    assert telemetry.ids_of(parent) == {}


def down() -> Sink:
    """One that nobody listens for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Sink(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "seconds"), [(500, 0.0), (429, 0.0), (200, 60.0), (0, 0.0)],
    ids=["500", "429", "hanging", "down"],
)  # fmt: skip
def test_a_sink_that_fails_harms_nothing(
    field: Field, quick: pytest.MonkeyPatch, status: int, seconds: float
) -> None:
    field.fill(300)
    with sink(status=status, seconds=seconds) as azure:
        where = azure if status else down()
        quick.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", where.connection_string)
        quick.setenv("AZFINSIM_TRACE_BULK", "1")
        [consumer] = field.serve("--slots", "2")
        job = field.submit(synthetic("told", 1))
        assert field.done(job).counts.priced == 300
        assert consumer.end(within=BOUND) == 0
        complaints = consumer.events("telemetry may not arrive")
        assert len(complaints) <= 2, complaints


def test_it_goes_by_otlp_too(field: Field, quick: pytest.MonkeyPatch) -> None:
    field.fill(300)
    with sink() as collector:
        quick.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
        quick.setenv("AZFINSIM_TRACE_BULK", "1")
        [consumer] = field.serve("--slots", "2")
        field.done(field.submit(synthetic("told", 1)))
        assert consumer.end() == 0
        metrics, spans, lines = set(), set(), set()
        for path, data in collector.otlp:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics:
                    metrics |= {m.name for scope in resource.scope_metrics for m in scope.metrics}
            elif path == "/v1/traces":
                for traced in ExportTraceServiceRequest.FromString(data).resource_spans:
                    spans |= {s.name for scope in traced.scope_spans for s in scope.spans}
            else:
                for logged in ExportLogsServiceRequest.FromString(data).resource_logs:
                    lines |= {
                        line.body.string_value
                        for scope in logged.scope_logs
                        for line in scope.log_records
                    }
    assert {"azfinsim.trades", "azfinsim.end_to_end.p99", "azfinsim.backlog"} <= metrics
    assert spans == {"chunk"}
    assert {"serving", "left"} <= lines


def test_prices_do_not_depend_on_it(field: Field, quick: pytest.MonkeyPatch) -> None:
    field.fill(200)
    [plain] = field.serve("--slots", "1")
    without = field.submit(synthetic("without"))
    field.done(without)
    assert plain.end() == 0
    with sink() as azure:
        quick.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", azure.connection_string)
        field.serve("--slots", "1")
        told = field.submit(synthetic("told"))
        field.done(told)
    assert prices(field.records(told)) == prices(field.records(without))


@pytest.mark.parametrize("command", [("price", "--help"), ("consume", "--help")])
def test_nothing_is_imported_unless_it_is_asked_for(
    command: tuple[str, ...], modules_after: Callable[..., set[str]]
) -> None:
    loaded = modules_after(*command)
    # Of the SDK alone, redis-py imports what is installed.
    assert not {m for m in loaded if m.startswith(("azure", "opentelemetry.exporter"))}


@pytest.fixture
def modules_after() -> Callable[..., set[str]]:
    """A function that runs a command in a process of its own: the modules it has loaded."""
    import subprocess

    def run(*command: str) -> set[str]:
        program = (
            "import sys\nfrom engine import edge, telemetry_export\n"
            "from azfinsim.cli import azfinsim\n"
            "assert telemetry_export.begin({}, 'x', 'y') is None\n"
            f"azfinsim.main({list(command)!r}, standalone_mode=False)\n"
            "print(*sys.modules, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        return set(done.stderr.split())

    return run


@pytest.mark.parametrize("told", ["much", "-1", "1.01", "nan"])
def test_a_wrong_ratio_is_a_clear_error(
    field: Field, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", Sink(1).connection_string)
    monkeypatch.setenv("AZFINSIM_TRACE_BULK", told)
    consumer = field.start()
    assert consumer.ended() == 2
    assert "AZFINSIM_TRACE_BULK" in consumer.log
    assert told in consumer.log


def test_a_connection_string_that_is_none_is_a_clear_error(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", "what?")
    consumer = field.start()
    assert consumer.ended() == 2
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in consumer.log
