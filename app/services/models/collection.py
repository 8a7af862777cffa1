"""The artifacts that are there: which one is served, pinned or was set aside, and which may go."""

import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.services.models.loading import load_scorer, of_other_data, to_serve
from app.storage import models, revisions
from app.storage.database import Database
from app.storage.models import Champion, Comparison, Round
from model.card import Card
from model.device import choose_device
from model.errors import ArtifactError, UnknownNameError
from model.inference import artifact
from model.inference.scorer import Scorer
from model.object_store import ObjectStore

KEEP_MODELS = 5
"""Of the newest artifacts."""

HISTORY = 100
"""Entries of a history that are read."""


class StoredModel(NamedTuple):
    """An artifact.

    Attributes:
        card: None if it cannot be read, because the artifact is damaged.
        served: as the database has it.
        aside: why it is not served though it may be the newest; None for one that may be.
    """

    version: str
    card: Card | None
    served: bool
    pinned: bool
    aside: str | None


class Collection(NamedTuple):
    """The artifacts, the newest first, with the versions that are served and pinned, and what was before.

    ``comparison`` is the one that runs, ``comparisons`` are all of them.
    """

    served: str | None
    pinned: str | None
    comparison: Comparison | None
    stored: list[StoredModel]
    champions: list[Champion]
    rounds: list[Round]
    comparisons: list[Comparison]


class Models:
    """The use cases of the artifacts on this machine: those of a folder, or those downloaded from an object store."""

    def __init__(self, database: Database, root: artifact.Root | None, keep: int = KEEP_MODELS) -> None:
        self.database = database
        self.root = root
        self.keep = keep

    def read(self) -> Collection:
        with self.database.reads() as session:
            served, pinned = models.served_version(session), models.pinned(session)
            champions, rounds = models.champions(session, HISTORY), models.rounds(session, HISTORY)
            comparison, comparisons = models.comparison(session), models.comparisons(session, HISTORY)
            reasons = models.reasons(session)

        def stored(folder: Path, aside: str | None) -> StoredModel:
            version = folder.name
            return StoredModel(version, _card(folder), version == served, version == pinned, aside)

        found = [stored(folder, None) for folder in self._folders()]
        found += [stored(folder, reasons.get(folder.name, "")) for folder in self._folders(aside=True)]
        found.sort(reverse=True, key=lambda one: one.version)
        return Collection(served, pinned, comparison, found, champions, rounds, comparisons)

    def pin(self, version: str) -> None:
        """Have every process serve this version until `unpin`, and compare it with none.

        `ArtifactError` if it does not answer, or if other machines could not load it.
        """
        card = self._load(version).card
        with self.database.writes() as session:
            models.pin(session, version)
            self.folder(version)  # it may have been deleted meanwhile; from now on it stays
            models.end_comparison(session, int(time.time()))
            self.serve_in(session, version, card, "pinned by hand")

    def compare(self, champion: str, challenger: str, share: float) -> None:
        """Have every process serve two models side by side until `pin` or `unpin`: this share of users the challenger.

        `ArtifactError` as for `pin`, and for models whose lists do not compare: of other ratings than the database's,
        or of other stars.
        """
        if champion == challenger:
            raise ArtifactError(f"{champion} cannot be compared with itself.")
        first, second = self._load(champion), self._load(challenger)
        if first.rating_scale != second.rating_scale:
            ends = (
                f"{one.version} {one.rating_scale[0]:g}, {one.rating_scale[1]:g} and so on" for one in (first, second)
            )
            raise ArtifactError(f"The models give other stars, so that they do not compare: {'; '.join(ends)}.")
        with self.database.writes() as session:
            for scorer in (first, second):
                self._require_own_data(session, scorer)
            models.begin_comparison(session, Comparison(champion, challenger, share, int(time.time())))
            for version in (champion, challenger):
                self.folder(version)  # as in `pin`
            self.serve_in(session, champion, first.card, f"compared with {challenger}")

    def _require_own_data(self, session: Session, scorer: Scorer) -> None:
        """`ArtifactError` if database and model are of different data sets, whose ids mean different movies."""
        if other := of_other_data(session, scorer.card.data):
            raise ArtifactError(
                f"{scorer.version} was trained on {scorer.card.data.name}, but the database was filled with {other}: "
                f"their ids mean different movies."
            )

    def _load(self, version: str) -> Scorer:
        """`ArtifactError` if it does not answer, or if other machines could not load it; `UnknownNameError`."""
        folder = self.folder(version)
        if isinstance(self.root, ObjectStore) and version not in self.root.folders_with(artifact.MANIFEST):
            raise ArtifactError(
                f"{version} is on this machine alone and not in {self.root}, so that other machines could not load it."
            )
        return load_scorer(folder, choose_device("cpu"))

    def unpin(self) -> str:
        """Have every process serve the newest model; returns its version, and `ArtifactError` if there is none."""
        newest = to_serve(self.root, None)
        card = artifact.load_card(newest)
        with self.database.writes() as session:
            models.pin(session, None)
            models.end_comparison(session, int(time.time()))
            self.serve_in(session, newest.name, card, "the newest, when none was pinned any more")
        self.prune()
        return newest.name

    def serve_newest(self, why: str) -> None:
        """Have every process serve the newest model, unless another one is pinned; `ArtifactError` if there is none."""
        newest = to_serve(self.root, None)
        card = artifact.load_card(newest)
        with self.database.writes() as session:
            if models.pinned(session) is None:
                self.serve_in(session, newest.name, card, why)
        self.prune()

    def serve_in(self, session: Session, version: str, card: Card, why: str) -> None:
        """Have every process load this model, the pinned one or the newest, from the end of this transaction on."""
        self.record_in(session, version, card, why)
        revisions.count_reload(session)

    def record(self, version: str, card: Card, why: str) -> None:
        """Write that this model is served from now on, unless it is recorded as the one that is."""
        with self.database.reads() as session:
            if models.served_version(session) == version:
                return
        with self.database.writes() as session:
            self.record_in(session, version, card, why)

    def record_in(self, session: Session, version: str, card: Card, why: str) -> None:
        """As `record`, within a transaction."""
        stars, lists = card.held_out, card.held_out_lists
        rmse = None if stars is None else stars.rmse
        ndcg_at_10 = None if lists is None else lists.ndcg_at_10
        champion = Champion(version, int(time.time()), None, why, rmse, ndcg_at_10)
        models.record_champion(session, champion)

    def prune(self) -> list[str]:
        """Delete all artifacts but the served ones, the pinned one and the newest of each kind; returns their versions.

        What is served is read from the database, so a folder belongs to one database. Nothing is deleted in an object
        store, only on this machine.
        """
        removed = []
        with self.database.writes() as session:
            models.lock(session)  # none of them is pinned between the reading and the deleting
            stay = {models.served_version(session), models.pinned(session)}
            if (comparison := models.comparison(session)) is not None:
                stay.add(comparison.challenger)
            for folder in (*self._folders()[self.keep :], *self._folders(aside=True)[self.keep :]):
                if folder.name not in stay:
                    with suppress(OSError):  # another process deletes it too
                        artifact.remove(folder)
                        removed.append(folder.name)
        return removed

    def folder(self, version: str) -> Path:
        """`UnknownNameError` if there is no artifact of this version."""
        folder = artifact.find(self.root, version) if self.root else None
        if folder is None:
            known = [one.name for one in (*self._folders(), *self._folders(aside=True))]
            raise UnknownNameError("model", version, known)
        return folder

    def _folders(self, *, aside: bool = False) -> list[Path]:
        """Those on this machine that may be served, or those that were set aside, the newest first."""
        if self.root is None:
            return []
        here = artifact.folder_of(self.root)
        return artifact.newest_first(here / artifact.ASIDE if aside else here)


def _card(folder: Path) -> Card | None:
    with suppress(ArtifactError):
        return artifact.load_card(folder)
    return None
