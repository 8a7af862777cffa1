"""The web page at `/` and its files; its content comes from the API."""

import hashlib
import html
import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.headers import entity_tag, is_known, not_modified

WEB = Path(__file__).parents[1] / "web"

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # revalidate each time, so that a page never runs scripts of another version
}

FOR_EVER = "public, max-age=31536000, immutable"

NO_IMAGES = 'name="image-url" content=""'
"""In the page; where there is a source of pictures, its address is filled in."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    image_url: str | None = request.app.state.image_url
    headers = HEADERS if image_url is None else _with_images(image_url)
    content = _markup(image_url)
    tag = entity_tag(content)
    if is_known(request, tag):
        return not_modified(tag, headers)
    return HTMLResponse(content, headers={"ETag": tag, **headers})


@cache
def _markup(image_url: str | None) -> str:
    """The page as it is sent: with the source of pictures, and with style and scripts by addresses of this version.

    All modules are asked for at once: a browser would see what a module imports when that one is there.
    """
    filled = NO_IMAGES.replace('content=""', f'content="{html.escape(image_url or "")}"')
    text = (WEB / "index.html").read_text().replace(NO_IMAGES, filled)
    modules = [path for path in _files() if path.endswith(".js") and f'<script src="static/{path}"' not in text]
    preloads = "".join(f'  <link rel="modulepreload" href="static/{path}">\n' for path in modules)
    text = text.replace("</head>", f"{preloads}</head>")
    return re.sub(r'"static/([^"]+\.(?:css|js))"', rf'"static/{assets.version}/\1"', text)


def _files() -> list[str]:
    """Paths of the page's files in their folder, in a fixed order."""
    return sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())


def _with_images(image_url: str) -> dict[str, str]:
    """The headers of a page that may show pictures of one host."""
    address = urlsplit(image_url)
    images = f"img-src 'self' {address.scheme}://{address.netloc};"
    policy = HEADERS["Content-Security-Policy"].replace("default-src 'self';", f"default-src 'self'; {images}")
    return {**HEADERS, "Content-Security-Policy": policy}


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something to look at."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def not_found(path: str) -> HTMLResponse:
    """The page in place of one that there is not; its links lead up from the path, whatever comes before that."""
    home = "../" * (path.count("/") - 1) or "./"
    return HTMLResponse((WEB / "not-found.html").read_text().replace("{home}", home), 404, HEADERS)


class Assets(StaticFiles):
    """The page's style, scripts and pictures.

    A file is also at an address with the version of all of them, where a browser keeps it for ever.
    """

    def __init__(self) -> None:
        super().__init__(directory=WEB)
        digest = hashlib.blake2b(digest_size=8)
        for path in _files():
            digest.update(path.encode() + (WEB / path).read_bytes())
        self.version = digest.hexdigest()

    async def get_response(self, path: str, scope: Scope) -> Response:
        version, _, file = path.partition("/")
        if not re.fullmatch(f"[0-9a-f]{{{len(self.version)}}}", version):
            return await super().get_response(path, scope)
        response = await super().get_response(file, scope)
        if version == self.version:  # while replicas are replaced, a page of one asks another
            response.headers["Cache-Control"] = FOR_EVER
        return response

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


assets = Assets()
