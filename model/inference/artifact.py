"""The trained model on disk: a folder that is written whole and never changed afterwards.

=======================  ==========================================================================
``weights.safetensors``  what the network learned
``titles.safetensors``   title vectors, shape (movies, title width)
``network.json``         the network's configuration
``catalogue.json``       movie ids, titles and genres in the order of their indices
``card.json``            the model card: origin and quality
``first_movies.json``    ids of the movies to ask a newcomer about, in order; not in artifacts of stars alone
``manifest.json``        the format's number and the SHA-256 of each file above
=======================  ==========================================================================

Artifacts lie side by side in one folder, each named after its time of creation and its model; the newest is served.
The folder may be one of an object store: then what is newest there is downloaded, once.
Those that were not good enough to be served lie in the folder `ASIDE` within it.
"""

import itertools
import logging
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import torch
from pydantic import BaseModel, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model import legacy
from model.card import Card
from model.errors import ArtifactError
from model.features.catalogue import Catalogue
from model.files import atomic_folder, sha256
from model.network.config import NetworkConfig
from model.network.rating import SeqRec
from model.object_store import ObjectStore

logger = logging.getLogger(__name__)

Root = Path | ObjectStore
"""Where artifacts lie side by side."""

FORMAT = 7
"""Version of the layout. 1 had no distribution over stars and no side information, 2 no relevance, 3 one horizon, 4 one
encoder for stars and lists, 5 other names, 6 no stars in its relevance."""
WEIGHTS, TITLES = "weights.safetensors", "titles.safetensors"
NETWORK, CATALOGUE, CARD, MANIFEST = "network.json", "catalogue.json", "card.json", "manifest.json"
FIRST_MOVIES = "first_movies.json"
"""The only file that an artifact may lack: those before it have none, and services before it do not read it."""

FILES = (WEIGHTS, TITLES, NETWORK, CATALOGUE, CARD)
"""All that an artifact has to have beside the manifest."""

ASIDE = ".aside"
"""In the folder of the artifacts: models that were set aside."""

LEAVING = ".leaving"
"""Ends the names of folders that are being deleted."""

_CATALOGUE = TypeAdapter(Catalogue)
_MOVIE_IDS = TypeAdapter(tuple[int, ...])


class Manifest(BaseModel):
    """The format's number and the SHA-256 of each file but this one."""

    format: int
    files: dict[str, str]


@dataclass(frozen=True)
class Artifact:
    """A loaded artifact.

    Attributes:
        version: the name of its folder.
        first_movies: ids of the movies to ask a newcomer about, in order; empty if the training has chosen none.
    """

    version: str
    network: SeqRec
    catalogue: Catalogue
    card: Card
    first_movies: tuple[int, ...] = ()


def save(root: Path, network: SeqRec, catalogue: Catalogue, card: Card, first_movies: tuple[int, ...] = ()) -> Path:
    """Write a new artifact into ``root`` and return its folder; a kill leaves the older ones as they are."""
    folder = root / f"{_free_second(root, card.created_at)}-{card.model}"
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_folder(folder) as temporary:
        save_file(weights, temporary / WEIGHTS)
        save_file({"titles": network.movies.titles.cpu().contiguous()}, temporary / TITLES)
        (temporary / NETWORK).write_text(network.config.model_dump_json(indent=2))
        (temporary / CATALOGUE).write_bytes(_CATALOGUE.dump_json(catalogue))
        (temporary / CARD).write_text(card.model_dump_json(indent=2))
        if first_movies:
            (temporary / FIRST_MOVIES).write_bytes(_MOVIE_IDS.dump_json(first_movies))
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        (temporary / MANIFEST).write_text(Manifest(format=FORMAT, files=files).model_dump_json(indent=2))
    return folder


def _free_second(root: Path, at: datetime) -> str:
    """This second, or the next one that no artifact has in its name: the order of names is that of time.

    Artifacts that were set aside count too.
    """
    beside = root.parent if root.name == ASIDE else root / ASIDE
    taken = {folder.name.partition("-")[0] for place in (root, beside) for folder in place.glob("*-*")}
    seconds = (f"{at + timedelta(seconds=later):%Y%m%dT%H%M%SZ}" for later in itertools.count())
    return next(second for second in seconds if second not in taken)


def newest(root: Root) -> Path | None:
    """The most recent artifact in ``root``, on this machine; None if there is none.

    Artifacts of another format are skipped: another version of SeqRec wrote them, and training makes a new one.
    """
    return next(iter(newest_first(root)), None)


def newest_first(root: Root) -> list[Path]:
    """All artifacts in ``root``, the most recent first; others than `newest` for when that one is damaged.

    Of an object store, those that are on this machine: the most recent one is downloaded. `ArtifactError` if the store
    does not answer.
    """
    if isinstance(root, ObjectStore):
        return _mirrored(root)
    folders = [manifest.parent for manifest in root.glob(f"*/{MANIFEST}") if manifest.parent.name[0] != "."]
    return sorted((one for one in folders if not _is_of_other_format(one)), key=lambda one: one.name, reverse=True)


def folder_of(root: Root) -> Path:
    """Where artifacts of ``root`` lie on this machine, and what training keeps beside them."""
    return root.cache if isinstance(root, ObjectStore) else root


def find(root: Root, version: str) -> Path | None:
    """The artifact of this version on this machine, also one that was set aside; None if there is none.

    Of an object store, it is downloaded. `ArtifactError` if the store does not answer, or has a damaged one.
    """
    here = folder_of(root)
    folders = [*newest_first(here), *newest_first(here / ASIDE)]
    found = next((folder for folder in folders if folder.name == version), None)
    if found is None and isinstance(root, ObjectStore) and version in root.folders_with(MANIFEST):
        return root.fetch(version, check)
    return found


def require_writable(root: Root) -> None:
    """Raise `ArtifactError` if an object store takes no artifact; a folder of this machine is not looked at."""
    if isinstance(root, ObjectStore):
        root.require_writable()


def publish(root: Root, folder: Path) -> None:
    """Make an artifact of this machine one of ``root``: upload it, if that is an object store."""
    if isinstance(root, ObjectStore):
        root.publish(folder, last=MANIFEST)


def promote(root: Root, folder: Path) -> None:
    """Move an artifact that was set aside among those that may be served; of an object store, it is published first."""
    here = folder_of(root) / folder.name
    if here.exists():  # another process of this machine has downloaded it meanwhile
        remove(folder)
    else:
        folder.rename(here)


def remove(folder: Path) -> None:
    """Delete an artifact; a kill in between leaves none that looks whole, and its rest to the next call."""
    folder.rename(folder.with_name(f".{folder.name}{LEAVING}"))
    for leaving in folder.parent.glob(f".*{LEAVING}"):
        shutil.rmtree(leaving, ignore_errors=True)


def _mirrored(store: ObjectStore) -> list[Path]:
    """Artifacts of the store that are on this machine, after the newest that is whole has been downloaded."""
    names = sorted((name for name in store.folders_with(MANIFEST) if name[0] != "."), reverse=True)
    for name in names:
        try:
            if _is_of_format(store.read(name, MANIFEST)):
                store.fetch(name, check)
                break
        except ArtifactError as error:
            logger.error("%s/%s is passed over: %s", store, name, error)
    here = (store.cache / name for name in names)
    return [folder for folder in here if folder.is_dir() and not _is_of_other_format(folder)]


def load_card(folder: Path) -> Card:
    """The model card alone, without weights; `ArtifactError` if it cannot be read."""
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            f"{folder} has no readable model card: {_first_line(error)}. Move the folder away, or train again."
        ) from error


def load(folder: Path) -> Artifact:
    """Load an artifact onto the CPU; `ArtifactError` if a file is missing, damaged or of another format."""
    files = check(folder)
    try:
        config = NetworkConfig.model_validate_json((folder / NETWORK).read_bytes())
        catalogue = _CATALOGUE.validate_json((folder / CATALOGUE).read_bytes())
        titles = load_file(folder / TITLES)["titles"]
        network = SeqRec(config, torch.from_numpy(catalogue.genre_matrix), titles)
        network.load_state_dict(legacy.weights(load_file(folder / WEIGHTS)))
        chosen = _MOVIE_IDS.validate_json((folder / FIRST_MOVIES).read_bytes()) if FIRST_MOVIES in files else ()
    except (ValidationError, SafetensorError, RuntimeError, KeyError) as error:
        raise ArtifactError(
            f"{folder} was not written by this version of SeqRec: {_first_line(error)}. Train again."
        ) from error
    except OSError as error:  # replaced or removed since its files were checked
        raise ArtifactError(f"{folder} cannot be read: {error}.") from error
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise ArtifactError(f"{folder} has weights that are not numbers. Restore it from a copy or train again.")
    network.eval()
    return Artifact(folder.name, network, catalogue, load_card(folder), chosen)


def check(folder: Path) -> set[str]:
    """The names of the artifact's files but the manifest, which are there and undamaged; loads nothing.

    `ArtifactError` if one is missing, damaged or of another format.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}.") from error
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{folder / MANIFEST} cannot be read: {_first_line(error)}") from error
    if not _is_readable(manifest.format):
        raise ArtifactError(
            f"{folder} has format {manifest.format}, this version of SeqRec reads {legacy.OLDEST_FORMAT} to {FORMAT}. "
            f"Train again."
        )
    names = {*FILES} | (manifest.files.keys() & {FIRST_MOVIES})
    for name in sorted(names):
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing. Restore the artifact from a copy or train again.")
        if sha256(path) != manifest.files.get(name):
            raise ArtifactError(
                f"{path} is damaged: its checksum is not the one in {MANIFEST}. "
                f"Restore the artifact from a copy or train again."
            )
    return names


def _is_readable(format_: int) -> bool:
    return legacy.OLDEST_FORMAT <= format_ <= FORMAT


def _is_of_other_format(folder: Path) -> bool:
    """Whether the manifest says so; `load` reports a manifest that cannot be read."""
    try:
        return not _is_of_format((folder / MANIFEST).read_bytes())
    except OSError:
        return False


def _is_of_format(manifest: bytes) -> bool:
    """Whether this version reads such an artifact; also True for a manifest that cannot be read."""
    try:
        return _is_readable(Manifest.model_validate_json(manifest).format)
    except ValidationError:
        return True


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
