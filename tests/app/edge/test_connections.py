"""Connections that send half of a request, or too much of one, are closed."""

import asyncio
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
from server import running
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from waiting import comes_true

from app.edge.connections import LimitedConnection
from app.edge.limits import Limits


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(connections=20, pause=0.5, header=10_000))
    with running(PlainTextResponse("here")) as url:
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)


def is_closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: localhost\r\n"]
)
def test_half_a_request_is_not_waited_for(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(sent)

        assert is_closed(connection, within=10)


def test_the_second_request_of_a_connection_is_not_waited_for_either(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b"here"):
            received += connection.recv(4096)
        connection.sendall(b"GET / HT")

        assert is_closed(connection, within=10)


def test_a_header_without_end_is_cut_off(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(pause=60, header=10_000))
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + (b"X-More: " + b"x" * 1000 + b"\r\n") * 20)

        assert is_closed(connection, within=10)  # long before the time for a header is over


def test_beyond_the_most_connections_new_ones_are_closed_and_open_ones_answered(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(connections=20, pause=60))
    with ExitStack() as stack:
        many = [stack.enter_context(socket.create_connection(address)) for _ in range(30)]
        assert comes_true(lambda: len(select.select(many, [], [], 0)[0]) >= 10)
        time.sleep(0.3)  # no further one is closed
        assert len(select.select(many, [], [], 0)[0]) == 10
    assert httpx.get(f"http://{address[0]}:{address[1]}").text == "here"


def test_who_sends_on_after_the_answer_is_not_listened_to_for_ever(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        deadline = time.monotonic() + 20
        while not is_closed(connection, within=0.05):
            assert time.monotonic() < deadline
            connection.send(b"x")


async def slow_and_reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes its time for a request without a body, and reads a body to its end."""
    body = await Request(scope, receive).body()
    await asyncio.sleep(0 if body else 0.2)
    await PlainTextResponse(f"read {len(body)}")(scope, receive, send)


def test_a_body_that_is_sent_behind_another_request_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(pause=0.5))
    with running(slow_and_reading) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n"
            )
            for _ in range(30):  # for longer than the pause after the first answer
                connection.sendall(b"x")
                time.sleep(0.05)
            received = b""
            while not received.endswith(b"read 30"):
                received += connection.recv(4096)

    assert b"read 0" in received


async def long_answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Far more than a connection holds; what is sent when the connection is gone goes nowhere."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await asyncio.sleep(0)


def test_who_does_not_read_on_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(stall=0.5))
    with running(long_answer) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(2)
            received = 0
            with suppress(ConnectionResetError):
                while part := connection.recv(1_000_000):  # what was sent before
                    received += len(part)

    assert received < 50_000_000


def test_who_reads_slowly_gets_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedConnection, "limits", Limits(stall=2))
    size = 16_000_000  # more than the system's buffers hold
    with running(PlainTextResponse("x" * size)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            received = 0
            while part := connection.recv(250_000):
                received += len(part)
                time.sleep(0.05)  # more than three seconds in all

    assert received > size
