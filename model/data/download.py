"""Downloads the official MovieLens 1M archive."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx

from model import files
from model.data.formats import ML_1M, format_of
from model.errors import DownloadError

OFFICIAL_URLS = (
    "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    # Plain HTTP, in case that the server's certificate has expired. This is safe: the checksum proves the content.
    "http://files.grouplens.org/datasets/movielens/ml-1m.zip",
)
ARCHIVE_SHA256 = "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"

OnBytes = Callable[[int, int | None], None]
"""Called with the number of received bytes and the total, None if the server does not send it."""


def is_data_folder(folder: Path) -> bool:
    return format_of(folder) is not None


def download(
    folder: Path,
    urls: tuple[str, ...] = OFFICIAL_URLS,
    on_bytes: OnBytes = lambda *_: None,
    sha256: str = ARCHIVE_SHA256,
) -> None:
    """Download the official ML-1M archive from the first address that works, verify it and unpack it to ``folder``.

    The folder appears when it is complete. `DownloadError` with a reason for each address if none works.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with NamedTemporaryFile(dir=folder.parent, prefix=f".{folder.name}.", suffix=".zip") as temporary:
        archive = Path(temporary.name)
        for url in urls:
            try:
                _fetch(url, archive, on_bytes, sha256)
            except (httpx.HTTPError, httpx.InvalidURL, DownloadError) as error:
                reasons.append(f"{url}: {error or type(error).__name__}")
            else:
                return _unpack(archive, folder)
    raise DownloadError("MovieLens 1M could not be downloaded.\n" + "\n".join(f"  {reason}" for reason in reasons))


def _fetch(url: str, archive: Path, on_bytes: OnBytes, sha256: str) -> None:
    timeout = httpx.Timeout(10.0, read=60.0)
    with (
        httpx.stream("GET", url, follow_redirects=True, timeout=timeout) as response,
        archive.open("wb") as file,
    ):
        response.raise_for_status()
        total = int(response.headers.get("content-length", 0)) or None
        for block in response.iter_bytes():
            file.write(block)
            on_bytes(file.tell(), total)
    digest = files.sha256(archive)
    if digest != sha256:
        raise DownloadError(f"not the official archive: its SHA-256 is {digest}")


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content, files.atomic_folder(folder, replace=True) as temporary:
        for name in (*ML_1M.files, "README"):
            (temporary / name).write_bytes(content.read(f"ml-1m/{name}"))
