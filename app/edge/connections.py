"""Connections: so many at most, and none that waits for ever for the rest of a request, or is read where many wait."""

from asyncio import BaseTransport, TimerHandle
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.edge.limits import DEFAULT_LIMITS, Limits
from app.edge.paths import PROBES
from app.edge.refusals import LONGEST_PAUSE, STATE, Refusals, turned_away

ENDS_OF_PROBES = tuple(path.encode() for path in PROBES)
"""However much there is to do, these are answered, under any prefix."""


class LimitedConnection(HttpToolsProtocol):
    """Closes a connection whose next request has not sent its whole header in time, or sends too long a header.

    The server itself waits without end for the first byte, and for the rest of a header.

    Where many refusals wait, a request on a new connection is turned away before it is read: to parse and to route
    every request would leave no time for those that are admitted.
    """

    limits: Limits = DEFAULT_LIMITS

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of the server
        super().__init__(*arguments, **options)
        self._header_timer: TimerHandle | None = None
        self._header_bytes = 0
        self._is_new, self._is_turned_away = True, False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Any, transport))
        if len(self.connections) > self.limits.connections:
            self.transport.close()
        else:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_new:
            self._is_new = False
            self._is_turned_away = self._is_one_too_many(data)
            if self._is_turned_away:
                self._header_is_there()
                self._turn_away()
        if self._is_turned_away:
            return
        if self._header_timer is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._header_timer is not None and self._header_bytes > self.limits.header:
            self.transport.close()

    def _is_one_too_many(self, data: bytes) -> bool:
        refusals: Refusals | None = self.app_state.get(STATE)
        if refusals is None or not refusals.are_many:
            return False
        path = data[: data.find(b"\r\n")].split(b" ")[1:2]
        return not (path and path[0].endswith(ENDS_OF_PROBES))

    def _turn_away(self) -> None:
        """After a pause, as any refusal of many, unless connections are short too."""
        pause = LONGEST_PAUSE if len(self.connections) < self.limits.connections // 2 else 0.0
        self.loop.call_later(pause, self._answer_and_close)

    def _answer_and_close(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(turned_away())
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._header_timer is None:
            self._await_header()

    def on_headers_complete(self) -> None:
        self._header_is_there()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:  # answered before the whole body was there, which is read to its end and dropped
            self.loop.call_later(self.limits.pause, self._close_after, self.cycle)

    def _close_after(self, cycle: RequestResponseCycle) -> None:
        """Close, unless the request is over and another one has begun."""
        if self.cycle is cycle:
            self.transport.close()

    def _await_header(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(self.limits.pause, self.transport.close)

    def _header_is_there(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
