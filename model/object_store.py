"""Folders in an object store, and a folder of this machine that keeps those that were downloaded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import fsspec
from fsspec import AbstractFileSystem

from model.errors import ArtifactError, SettingsError
from model.files import atomic_folder

EXTRAS = {"s3": "pip install 'seqrec[s3]'", "gs": "pip install gcsfs"}
"""How to install what fsspec needs for a kind of store."""

PROBE = ".writable"
"""Empty file that is written to see whether that is possible, and deleted."""


@dataclass(frozen=True)
class ObjectStore:
    """Folders that are written once, under an address of fsspec, such as ``s3://bucket/models``.

    Attributes:
        cache: folder of this machine; what is in it is not downloaded again.
    """

    url: str
    cache: Path

    def __str__(self) -> str:
        return self.url

    def folders_with(self, file: str) -> list[str]:
        """Names of the folders that hold such a file, as of now; `ArtifactError` if the store does not answer."""
        with self._answering() as (files, root):
            found = cast(list[str], files.glob(f"{root}/*/{file}"))
        return [path.split("/")[-2] for path in found]

    def read(self, folder: str, file: str) -> bytes:
        with self._answering() as (files, root):
            return cast(bytes, files.cat_file(f"{root}/{folder}/{file}"))

    def fetch(self, folder: str, check: Callable[[Path], object]) -> Path:
        """The folder on this machine, downloaded unless it is there; nothing is kept of one that ``check`` refuses."""
        here = self.cache / folder
        if here.exists():
            return here
        try:
            with atomic_folder(here) as temporary, self._answering() as (files, root):
                for path in files.find(f"{root}/{folder}"):
                    files.get_file(path, str(temporary / path.rpartition("/")[2]))
                check(temporary)
        except OSError:
            if not here.exists():  # otherwise another process was faster
                raise
        return here

    def require_writable(self) -> None:
        """Raise `ArtifactError` if nothing can be written: whoever works for hours learns it before, not at the end."""
        with self._answering() as (files, root):
            files.makedirs(root, exist_ok=True)
            files.pipe_file(f"{root}/{PROBE}", b"")
            with suppress(Exception):  # publishing deletes nothing, so that the right to delete may be missing
                files.rm_file(f"{root}/{PROBE}")

    def publish(self, folder: Path, last: str) -> None:
        """Upload a folder. The file named ``last`` follows when all others are there: it says that it is whole."""
        with self._answering() as (files, root):
            files.makedirs(f"{root}/{folder.name}", exist_ok=True)
            for path in sorted(folder.iterdir(), key=lambda path: (path.name == last, path.name)):
                files.put_file(str(path), f"{root}/{folder.name}/{path.name}")

    @contextmanager
    def _answering(self) -> Iterator[tuple[AbstractFileSystem, str]]:
        """The store and its path in it; whatever a library of any store raises becomes an `ArtifactError`."""
        try:
            files, root = fsspec.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
            yield files, root.rstrip("/")
        except (ArtifactError, SettingsError):
            raise
        except ImportError as error:
            kind = self.url.partition("://")[0]
            raise SettingsError(f"{self.url} needs more than is installed: {EXTRAS.get(kind, error)}") from error
        except Exception as error:
            raise ArtifactError(
                f"The object store {self.url} does not answer as expected: {error}. Look at SEQREC_ARTIFACTS, at the "
                f"network and at the credentials."
            ) from error
