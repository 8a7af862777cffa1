"""The web page at `/` and its files; its content comes from the API."""

import html
import os
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

NO_IMAGES = 'name="image-url" content=""'
"""In the page; where there is a source of pictures, its address is filled in."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    image_url: str | None = request.app.state.image_url
    if image_url is None:
        return await assets.get_response("index.html", request.scope)
    filled = NO_IMAGES.replace('content=""', f'content="{html.escape(image_url)}"')
    content = (WEB / "index.html").read_text().replace(NO_IMAGES, filled)
    tag = entity_tag(content)
    if is_known(request, tag):
        return not_modified(tag)
    return HTMLResponse(content, headers={**_with_images(image_url), "ETag": tag})


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
    """The page's style, scripts and pictures."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


assets = Assets()
