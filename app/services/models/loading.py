"""Finds the artifact that is to be served, and loads it so that it answers."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sqlalchemy.orm import Session

from app.storage import movies
from app.storage.models import Comparison
from model.card import DataSource
from model.errors import ArtifactError
from model.features.history import Rated
from model.features.users import UserContext
from model.inference import artifact
from model.inference.scorer import Scorer

logger = logging.getLogger(__name__)


def to_serve(root: artifact.Root | None, pinned: str | None) -> Path:
    """The folder of the pinned model, or without one the newest; `ArtifactError` if it is not there.

    Of an object store, that model is downloaded.
    """
    if root is not None and pinned is not None:
        if (folder := artifact.find(root, pinned)) is None:
            raise ArtifactError(
                f"The pinned model {pinned} is not in {root}. Restore it from a copy, or unpin it: seqrec model serve "
                f"--latest"
            )
        return folder
    newest = artifact.newest(root) if root else None
    if newest is None:
        raise no_artifact(root)
    return newest


def challenger_of(root: artifact.Root | None, comparison: Comparison) -> Path:
    """The folder of a comparison's challenger; `ArtifactError` if it is not there. Of an object store, as above."""
    folder = artifact.find(root, comparison.challenger) if root else None
    if folder is None:
        raise ArtifactError(
            f"The challenger {comparison.challenger} is not in {root}. Copy it there, or end the comparison: seqrec "
            f"model serve {comparison.champion}"
        )
    return folder


def no_artifact(root: artifact.Root | None) -> ArtifactError:
    return ArtifactError(f"There is no trained model in {root}. Run: seqrec train")


def load_newest_scorer(root: artifact.Root, device: torch.device, pinned: str | None = None) -> Scorer:
    """The pinned artifact, or the newest that can be served; what is missing or damaged is passed over, loudly.

    While an object store does not answer, the newest that was downloaded before. Raises the first `ArtifactError` if
    none can be served.
    """
    failures: list[ArtifactError] = []
    for folder in _candidates(root, pinned, failures):
        try:
            scorer = load_scorer(folder, device)
        except ArtifactError as error:
            failures.append(error)
        else:
            for failure in failures:
                logger.error("serving the older model %s: %s", scorer.version, failure)
            return scorer
    raise failures[0] if failures else no_artifact(root)


def _candidates(root: artifact.Root, pinned: str | None, failures: list[ArtifactError]) -> Iterator[Path]:
    """The pinned artifact, then the newest ones; adds to ``failures`` what cannot be found."""
    if pinned is not None:
        try:
            yield to_serve(root, pinned)
        except ArtifactError as error:
            failures.append(error)
    try:
        folders = artifact.newest_first(root)
    except ArtifactError as error:
        failures.append(error)
        folders = artifact.newest_first(artifact.folder_of(root))
    yield from folders


def load_scorer(folder: Path, device: torch.device) -> Scorer:
    """Load an artifact and let it answer; `ArtifactError` if it does not, or not with numbers."""
    try:
        scorer = Scorer(artifact.load(folder), device)
        few = scorer.vocabulary.ids[:3]
        liked = [Rated(movie_id, stars=scorer.rating_scale[-1]) for movie_id in few]
        readers = [UserContext(), UserContext(history=liked)]
        lists = [scorer.recommend(reader, scorer.vocabulary.ids, n=10) for reader in readers]
    except ArtifactError:
        raise
    except Exception as error:  # damage that no check has found, or want of memory, may show in any way
        raise ArtifactError(
            f"{folder} does not answer: {error!r}. If there is memory and room enough, restore it from a copy or train "
            f"again."
        ) from error
    predicted = [entry.stars for entries in lists for entry in entries if entry.stars is not None]
    if not np.isfinite(predicted).all():
        raise ArtifactError(f"{folder} answers with stars that are not numbers. Restore it from a copy or train again.")
    return scorer


def of_other_data(session: Session, data: DataSource) -> str | None:
    """Names of the data sets that the database was filled with, if the model has learned from none of them.

    The ids of two data sets mean different movies.
    """
    loaded = movies.datasets(session)
    if not loaded or any(data.holds(checksum) for checksum in loaded):
        return None
    return ", ".join(loaded.values())
