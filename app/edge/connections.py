"""Connections: a limited number, none of which waits for ever for the rest of a request or is read where many wait."""

import socket
import sys
from asyncio import BaseTransport, TimerHandle
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.edge.limits import DEFAULT_LIMITS, Limits
from app.edge.paths import PROBES
from app.edge.refusals import LONGEST_PAUSE, STATE, Refusals, turned_away
from app.edge.requests import REFUSED

ENDS_OF_PROBES = tuple(path.encode() for path in PROBES)
"""However much there is to do, these are answered, under any prefix."""

LAST_DATA_RECEIVED = 52
"""Where Linux's `tcp_info` (linux/tcp.h) has the milliseconds since a connection's latest data, in four bytes."""


class LimitedConnection(HttpToolsProtocol):
    """Closes a connection that does not send a whole header in time, sends too long a one, or stops reading.

    The server itself waits without end for the first byte, for the rest of a header, and for who reads no further.

    A request that has waited too long in the system's queues is refused (`app.edge.refusals.Lateness`): the event
    loop takes up one new connection a turn, so that requests which are answered at once never are many in the
    worker, however long the queue before it. On a new connection it is turned away before it is read, as where many
    refusals wait: to parse and to route every request would leave no time for those that are admitted.
    """

    limits: Limits = DEFAULT_LIMITS

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of the server
        super().__init__(*arguments, **options)
        self._header_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None
        self._header_bytes = 0
        self._is_new, self._is_first, self._is_turned_away = True, True, False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Any, transport))
        if len(self.connections) > self.limits.connections:
            self.transport.close()
        else:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called while the caller has much of an answer still to read."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._is_new:
            self._is_new = False
            self._is_turned_away = not _asks_for_probe(data) and self._turn_away_if_late()
        if self._is_turned_away:
            return
        if self._header_timer is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._header_timer is not None and self._header_bytes > self.limits.header:
            self.transport.close()

    def _turn_away_if_late(self) -> bool:
        """Refuse what came late, or comes where many refusals wait; whether it is refused.

        After a pause, as any refusal of many, unless connections are short too.
        """
        refusals, unread = self._refusals, self._seconds_unread()
        if refusals is None or not (
            refusals.of_new_connections.is_late_after(unread)
            or (refusals.are_many and refusals.is_full(len(self.tasks)))
        ):
            return False
        self._stop_header_timer()
        pause = LONGEST_PAUSE - unread if len(self.connections) < self.limits.connections // 2 else 0.0
        self.loop.call_later(max(0.0, pause), self._answer_and_close)
        return True

    @property
    def _refusals(self) -> Refusals | None:
        """Those of the worker, unless the server runs another application."""
        return self.app_state.get(STATE)

    def _seconds_unread(self) -> float:
        """How long the bytes that came last have been there; 0 where the system does not say so."""
        if sys.platform != "linux":
            return 0.0
        connection: socket.socket = self.transport.get_extra_info("socket")
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return 0.0
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_RECEIVED + 4)
        return int.from_bytes(state[LAST_DATA_RECEIVED:], sys.byteorder) / 1000

    def _answer_and_close(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(turned_away())
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._header_timer is None:
            self._await_header()
        is_first, self._is_first = self._is_first, False
        refusals = self._refusals
        if refusals is None:
            return
        # The first request of a connection was judged before it was read.
        is_late = not is_first and refusals.of_open_connections.is_late_after(self._seconds_unread())
        if is_late or refusals.is_full(len(self.tasks)):
            cast(dict[str, Any], self.scope)[REFUSED] = True

    def on_headers_complete(self) -> None:
        self._stop_header_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        was_latest = not self.pipeline  # else the cycle is that of a request that waits for its turn
        super().on_response_complete()
        # Answered before the whole body was there, which is read to its end and dropped.
        if was_latest and self.cycle.more_body:
            self.loop.call_later(self.limits.pause, self._close_after, self.cycle)

    def _close_after(self, cycle: RequestResponseCycle) -> None:
        """Close, unless the request is over and another one has begun."""
        if self.cycle is cycle:
            self.transport.close()

    def _await_header(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(self.limits.pause, self.transport.close)

    def _watch_reader(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(self.limits.stall, self._abort_if_stalled, unread)

    def _abort_if_stalled(self, unread: int) -> None:
        """Cut off a caller who has read nothing since so many bytes were unread."""
        if self.transport.get_write_buffer_size() < unread:
            self._watch_reader()
        else:
            self.transport.abort()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _asks_for_probe(data: bytes) -> bool:
    """By the first line of a request."""
    path = data[: data.find(b"\r\n")].split(b" ")[1:2]
    return bool(path) and path[0].endswith(ENDS_OF_PROBES)
