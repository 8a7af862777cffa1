"""Traces: what has a span, where spans go, and that there are none unless they are asked for."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from command import Run
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from server import workers
from sqlalchemy import Engine

from app.observability import tracing

CALLER = "0af7651916cd43dd8448eb211c80319c"
"""The id of a trace that a caller has begun."""

PARENT = "b7ad6b7169203331"


@contextmanager
def collector() -> Iterator[tuple[str, list[ResourceSpans]]]:
    """The address of an OpenTelemetry collector, and what it has received."""
    received: list[ResourceSpans] = []

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def spans(received: list[ResourceSpans]) -> list[Span]:
    return [span for resource in received for scope in resource.scope_spans for span in scope.spans]


@pytest.mark.slow
def test_a_request_is_a_trace_with_database_and_scorer_and_its_id_is_in_the_log(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(artifact_folder, tmp_path / "artifacts" / artifact_folder.name)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with collector() as (endpoint, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with workers(1, database_url, tmp_path / "artifacts", tmp_path / "log") as address:
            traceparent = f"00-{CALLER}-{PARENT}-01"
            httpx.get(f"{address}/users/17/recommendations", headers={"traceparent": traceparent}).raise_for_status()
            httpx.get(f"{address}/metrics").raise_for_status()
            httpx.get(f"{address}/users/9999").close()
            deadline = time.monotonic() + 20
            while len({span.trace_id for span in spans(received)}) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)

    assert {span.name for span in spans(received) if not span.parent_span_id} == {"GET /users/{user_id}"}
    traced = [span for span in spans(received) if span.trace_id.hex() == CALLER]
    (request,) = [span for span in traced if span.parent_span_id.hex() == PARENT]
    assert request.name == "GET /users/{user_id}/recommendations"
    inside = [span for span in traced if span.parent_span_id == request.span_id]
    assert {"score read_users", "score recommend", "SELECT"} <= {span.name for span in inside}
    for span in inside:
        assert request.start_time_unix_nano <= span.start_time_unix_nano < span.end_time_unix_nano
    statements = [attribute.value.string_value for span in inside for attribute in span.attributes]
    assert any("FROM ratings" in statement for statement in statements)
    assert not any("17" in statement for statement in statements)
    names = {attribute.value.string_value for attribute in received[0].resource.attributes}
    assert "seqrec" in names

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("path") == "/users/17/recommendations"]
    assert (line["trace_id"], line["span_id"]) == (CALLER, request.span_id.hex())
    assert not any("trace_id" in line for line in lines if line.get("path") == "/metrics")


def test_where_traces_are_asked_for_and_cannot_be_sent_one_sentence_says_so(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; sys.modules['opentelemetry.sdk'] = None; from app.cli import main; main()"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    done = subprocess.run([sys.executable, "-c", script, "serve"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "Error: OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and what sends them is not installed. Run: pip install "
        "'seqrec[otel]'. Or unset OTEL_EXPORTER_OTLP_ENDPOINT."
    ]


def test_an_exporter_that_is_not_installed_is_named_with_those_that_are(filled: Run) -> None:
    filled.monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    status, _, err = filled("serve")

    assert status == 1
    assert "'zipkin'" in err
    assert "console, otlp_proto_http" in err


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nothing is set"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, id="none"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, id="disabled"),
    ],
)
def test_nothing_is_traced_unless_the_environment_asks_for_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = trace.get_tracer_provider()
    tracing.configure()

    assert trace.get_tracer_provider() is before
    assert tracing.current_ids() == {}
