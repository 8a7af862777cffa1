"""Proxies on free ports: one that does to connections what networks do, and one that spreads requests over servers."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PIECE = 1 << 16
PAUSE = 0.01
"""Seconds until something that is waited for is looked at again."""

CHECKED_EVERY = 0.5
"""Seconds from one check of a server to the next."""
CHECK = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

REPEATABLE = (b"GET", b"PUT", b"DELETE")


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """The port of a server in a thread of its own, which calls ``serve`` for each connection."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def until_cancelled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await serve(reader, writer)

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(until_cancelled, "127.0.0.1", 0), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Cut(Exception):
    """The connection is to be cut."""


class Proxy:
    """Passes on what clients and a server say, and delays, freezes or cuts it.

    Attributes:
        delay: seconds that every piece is held back.
        frozen: pass nothing on, and keep every connection.
        broken: cut every connection as soon as there is something to pass on.
        cuts: how many connections it has cut.
    """

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self.delay, self.frozen, self.broken, self.cuts = 0.0, False, False, 0
        self._connect = connect
        self._answer_bytes: int | None = None
        self._word: tuple[bytes, bool] | None = None

    def cut_answer_after(self, size: int) -> None:
        """Cut what comes next from the server after so many bytes."""
        self._answer_bytes = size

    def cut_at(self, word: bytes, *, passed_on: bool) -> None:
        """Cut the connection that a client sends this word on next, after the server has got it, or before."""
        self._word = word, passed_on

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await self._connect()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._ask(client, to_server))
                both.create_task(self._answer(server, to_client))
        except* Cut:
            self.cuts += 1
        except* OSError:
            pass  # one side is gone, so the other goes too
        finally:
            for writer in (to_client, to_server):
                writer.transport.abort()

    async def _ask(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        async for piece in self._pieces(client):
            if self._word is not None and self._word[0] in piece:
                passed_on, self._word = self._word[1], None
                if not passed_on:
                    raise Cut
                self.cut_answer_after(0)
            to_server.write(piece)
        raise ConnectionAbortedError

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        async for piece in self._pieces(server):
            if self._answer_bytes is not None:
                size, self._answer_bytes = self._answer_bytes, None
                to_client.write(piece[:size])
                await to_client.drain()
                await asyncio.sleep(PAUSE)
                raise Cut
            to_client.write(piece)
        await to_client.drain()
        raise ConnectionAbortedError

    async def _pieces(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while piece := await reader.read(PIECE):
            await asyncio.sleep(self.delay)
            while self.frozen:
                await asyncio.sleep(PAUSE)
            if self.broken:
                raise Cut
            yield piece


class Balancer:
    """Spreads requests over servers, each of which has to say that it is ready; one request a connection.

    A request goes to the next server if it cannot be sent, or, if it may be repeated, if no answer comes.

    Attributes:
        servers: their addresses.
    """

    def __init__(self, servers: list[str]) -> None:
        self.servers = servers
        self._turn = 0
        self._checks: dict[str, tuple[float, bool]] = {}

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            head = await client.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            body = await client.readexactly(int(fields.get(b"content-length", 0)))
            to_client.write(await self._answer(head + body))
            await to_client.drain()
        to_client.close()

    async def _answer(self, request: bytes) -> bytes:
        for _ in range(100):
            for server in self._in_turn():
                if not await self._is_ready(server):
                    continue
                try:
                    return await self._ask(server, request)
                except ConnectionRefusedError:
                    continue
                except OSError:
                    if request.partition(b" ")[0] not in REPEATABLE:
                        return b"HTTP/1.1 502 No answer\r\nContent-Length: 0\r\n\r\n"
            await asyncio.sleep(PAUSE)
        return b"HTTP/1.1 503 No server is ready\r\nContent-Length: 0\r\n\r\n"

    def _in_turn(self) -> list[str]:
        self._turn += 1
        first = self._turn % len(self.servers)
        return self.servers[first:] + self.servers[:first]

    async def _is_ready(self, server: str) -> bool:
        """As of the last check, which may be a moment ago."""
        now = time.monotonic()
        checked, ready = self._checks.get(server, (0.0, False))
        if now - checked > CHECKED_EVERY:
            try:
                ready = (await self._ask(server, CHECK)).startswith(b"HTTP/1.1 200")
            except OSError:
                ready = False
            self._checks[server] = now, ready
        return ready

    @staticmethod
    async def _ask(server: str, request: bytes) -> bytes:
        """The whole answer; `OSError` if there is none."""
        host, port = server.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            answer = await reader.read()
        finally:
            writer.transport.abort()
        if not answer:
            raise ConnectionResetError
        return answer
