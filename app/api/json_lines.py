"""Bodies and answers of JSON Lines: one JSON object a line."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, islice
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from seqrec.errors import UnsupportedMedia

JSON_LINES = "application/jsonl"
BYTES = "application/octet-stream"
"""The second name of JSON Lines here: the one that generators of clients know. No page of another site can send it."""

ACCEPTED = {JSON_LINES, "application/x-ndjson", "application/json-lines", BYTES}
LINES_AT_ONCE = 1000
"""Lines of an export that are sent together: one piece of an answer costs as much as a thousand lines."""

MOST_IN_MEMORY = 1 << 20
"""Bytes of an import that stay in memory; a longer one goes to a temporary file."""


def lines_of(schema: str, example: str) -> dict[str, Any]:
    """For OpenAPI: a body of JSON Lines. It has no word for them, so that they are bytes to a generated client."""
    lines = {"type": "string", "format": "binary", "description": f"lines, each a JSON object as `{schema}`"}
    return {kind: {"schema": lines, "example": example} for kind in (JSON_LINES, BYTES)}


def streamed(request: Request, lines: Iterator[str]) -> StreamingResponse:
    """An answer of these lines, of which the first is read now: an answer that has begun can turn into no error."""
    first = list(islice(lines, 1))
    kind = BYTES if request.headers.get("accept") == BYTES else JSON_LINES
    return StreamingResponse(_joined(chain(first, lines)), media_type=kind)


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[BinaryIO]:
    """The whole body, so that a slow sender holds no transaction; `UnsupportedMedia`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ACCEPTED or "content-encoding" in request.headers:
        raise UnsupportedMedia(JSON_LINES)
    with SpooledTemporaryFile(MOST_IN_MEMORY) as file:
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
        file.seek(0)
        yield cast(BinaryIO, file)


def _joined(lines: Iterable[str]) -> Iterator[str]:
    ended = (f"{line}\n" for line in lines)
    while block := "".join(islice(ended, LINES_AT_ONCE)):
        yield block
