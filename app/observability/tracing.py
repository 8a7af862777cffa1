"""Traces by OpenTelemetry: spans of requests, of the database's statements and of the scorer.

FastAPI makes the span of a request as soon as there is a provider; within it, those of the others are made here. The
standard variables say where spans go, and the extra ``otel`` brings what sends them. Without these there are none.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import Connection, Engine, ExceptionContext, event

from model.errors import SettingsError

EXPORTERS = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SERVICE_NAME = "OTEL_SERVICE_NAME"

_tracer = trace.get_tracer("seqrec")
_SPAN = "seqrec.span"
"""In a connection's `info`: the span of the statement that runs."""


def configure() -> None:
    """Send spans to where the standard variables say, if they do.

    `SettingsError` if what the variables ask for is not installed.
    """
    variable = _asks_for_traces(os.environ)
    if variable is None:
        return
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - of the extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{variable} asks for traces, and what sends them is not installed. Run: pip install 'seqrec[otel]'. "
            f"Or unset {variable}."
        ) from error
    os.environ.setdefault(SERVICE_NAME, "seqrec")
    provider = TracerProvider(resource=Resource.create())
    for name in _exporters(os.environ):
        provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    trace.set_tracer_provider(provider)


def _asks_for_traces(environment: Mapping[str, str]) -> str | None:
    """The variable that asks for traces; None if none does, or another one forbids them."""
    forbidden = environment.get(EXPORTERS) == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return None if forbidden else next((name for name in (EXPORTERS, *ENDPOINTS) if environment.get(name)), None)


def _exporters(environment: Mapping[str, str]) -> list[str]:
    """The names under which the exporters that are asked for are installed."""
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    otlp = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    given = [name.strip() for name in (environment.get(EXPORTERS) or "otlp").split(",")]
    return [otlp if name == "otlp" else name for name in given]


def _exporter(name: str) -> Any:  # noqa: ANN401 - of a type that only the extra has
    installed = entry_points(group="opentelemetry_traces_exporter")
    if name not in installed.names:
        raise SettingsError(
            f"There is no exporter of traces {name!r} ({EXPORTERS}); there are {', '.join(sorted(installed.names))}. "
            f"Install one of that name, or choose another."
        )
    return installed[name].load()()


def current_ids() -> dict[str, str]:
    """The ids of the current trace and span, as log lines have them; nothing outside of a trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def span(name: str) -> AbstractContextManager[object]:
    """A part of a request that is traced; nothing in one that is not."""
    return _tracer.start_as_current_span(name) if _is_traced() else nullcontext()


def _is_traced() -> bool:
    return trace.get_current_span() is not trace.INVALID_SPAN


def trace_statements(engine: Engine) -> None:
    """Make a span of each statement of a request that is traced, without its values.

    The instrumentation that is published for SQLAlchemy names no version from 2.1 on.
    """

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not _is_traced():
            return
        attributes = {"db.system.name": engine.dialect.name, "db.query.text": statement}
        name = statement.split(maxsplit=1)[0]
        connection.info[_SPAN] = _tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *_: object) -> None:
        if (running := connection.info.pop(_SPAN, None)) is not None:
            running.end()

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        connection = context.connection
        if connection is None or connection.invalidated:
            return
        if (running := connection.info.pop(_SPAN, None)) is not None:
            running.set_status(Status(StatusCode.ERROR, type(context.original_exception).__name__))
            running.end()
