"""A stand-in for Application Insights and for OTLP: takes what is sent, or misbehaves as told."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "11111111-2222-3333-4444-555555555555"


@dataclass
class Sink:
    """What arrived, and how to answer."""

    port: int = 0
    status: int = 200
    seconds: float = 0.0
    """For which each answer is held back."""
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    otlp: list[tuple[str, bytes]] = field(default_factory=list)
    """Path and body of what came by OTLP."""
    requests: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def connection_string(self) -> str:
        here = f"http://127.0.0.1:{self.port}/"
        return f"InstrumentationKey={KEY};IngestionEndpoint={here};LiveEndpoint={here}"

    def track(self, envelopes: list[dict[str, Any]]) -> bytes:
        """Take envelopes, unless told to refuse them; returns what is answered."""
        accepted = envelopes if self.status == 200 else []
        self.envelopes += accepted
        counts = {"itemsReceived": len(envelopes), "itemsAccepted": len(accepted)}
        return json.dumps({**counts, "errors": []}).encode()

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """The base data of the envelopes of a type, such as ``MetricData``."""
        return [e["data"]["baseData"] for e in self.envelopes if e["data"]["baseType"] == name]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Data points by the metric's name, with their properties."""
        found: dict[str, list[dict[str, Any]]] = {}
        for data in self.of_type("MetricData"):
            for point in data["metrics"]:
                found.setdefault(point["name"], []).append(
                    {**point, "properties": data.get("properties") or {}}
                )
        return found


@contextmanager
def sink(**options: Any) -> Iterator[Sink]:
    """Listen while the block runs."""
    state = Sink(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests += 1
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            if state.seconds:
                state.ending.wait(state.seconds)
            if self.path.startswith("/v1/"):
                state.otlp.append((self.path, data))
                answer, kind = b"", "application/x-protobuf"
            else:
                answer, kind = state.track(json.loads(data)), "application/json"
            self.send_response(state.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # A client that has left.

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
