"""A small reverse proxy: serves another service under a prefix, which it takes away."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HOPS = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers of one connection, which a proxy does not pass on."""


def proxy(prefix: str, service: str, scheme: str = "https", own_host: bool = False) -> Starlette:
    """Passes requests below the prefix on to the service, as nginx and others do.

    It says that callers use ``scheme``. With ``own_host`` it sends the service's address as ``Host``, in place of what
    the caller has sent.
    """

    async def pass_on(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in HOPS]
        headers += [
            ("x-forwarded-proto", scheme),
            ("x-forwarded-for", request.headers.get("x-test-caller", "192.0.2.9")),
        ]
        if not own_host:
            headers.append(("host", request.headers["host"]))
        path = request.scope["raw_path"].decode().removeprefix(prefix)
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.request(
                request.method,
                f"{service}{path}",
                params=request.url.query,
                headers=headers,
                content=await request.body(),
            )
        passed = Response(answer.content, answer.status_code)
        passed.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode() not in {"content-encoding", "transfer-encoding", "content-length"}
        ]
        passed.headers["content-length"] = str(len(answer.content))
        return passed

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route(f"{prefix}/{{path:path}}", pass_on, methods=methods)])
