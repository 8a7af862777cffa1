import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model.data import dataset, download
from model.data.formats import ML_1M
from model.errors import DownloadError

NOWHERE = "http://127.0.0.1:9/ml-1m.zip"


@pytest.fixture
def archive(sample_folder: Path) -> bytes:
    """An archive laid out like the official one."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in ML_1M.files:
            file.write(sample_folder / name, f"ml-1m/{name}")
        file.writestr("ml-1m/README", "SUMMARY")
    return content.getvalue()


@pytest.fixture
def server(tmp_path: Path, archive: bytes) -> Iterator[str]:
    """The address of a real web server that has ``ml-1m.zip`` and a damaged one."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "ml-1m.zip").write_bytes(archive)
    (folder / "damaged.zip").write_bytes(archive[:-1])
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_archive_is_downloaded_checked_and_unpacked(server: str, archive: bytes, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    download.download(
        tmp_path / "data" / "ml-1m",
        (f"{server}/ml-1m.zip",),
        lambda done, total: seen.append((done, total)),
        sha256=hashlib.sha256(archive).hexdigest(),
    )

    assert len(dataset.read(tmp_path / "data" / "ml-1m").users) == 120
    assert seen[-1] == (len(archive), len(archive))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["ml-1m"]


def test_the_next_address_is_tried_if_one_does_not_answer(server: str, archive: bytes, tmp_path: Path) -> None:
    urls = (NOWHERE, f"{server}/missing.zip", f"{server}/damaged.zip", f"{server}/ml-1m.zip")
    download.download(tmp_path / "ml-1m", urls, sha256=hashlib.sha256(archive).hexdigest())

    assert download.is_data_folder(tmp_path / "ml-1m")


def test_an_archive_with_another_checksum_is_refused_and_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not the official archive"):
        download.download(tmp_path / "data" / "ml-1m", (f"{server}/ml-1m.zip",))

    assert list((tmp_path / "data").iterdir()) == []


def test_without_a_network_the_error_names_every_address_and_its_reason(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"(?s)127.0.0.1:9/ml-1m.zip: .*no-such-scheme://x: "):
        download.download(tmp_path / "ml-1m", (NOWHERE, "no-such-scheme://x"))
