"""What the benchmark stands on: data, a trained model, and a database, each made once and kept."""

import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.jobs.datasets import find_data, obtain_data
from app.jobs.prepare import load_database
from app.jobs.reporter import Reporter
from app.jobs.training import train_model
from app.settings import Settings
from app.storage.ratings import oldest_first
from model.data import dataset
from model.inference import artifact
from model.training.presets import preset

FOLDER = Path("data/bench")
"""Git ignores it."""

TRAINED = "seqrec-small"
"""The preset that is trained where no artifact is given."""


class Ground(NamedTuple):
    """Where everything is.

    Attributes:
        artifact: the folder of the newest model.
        database: a copy of the loaded database, which the run may write to.
    """

    data: Path
    artifact: Path
    database: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a service on this ground."""
        return {
            "SEQREC_DATA": str(self.data),
            "SEQREC_ARTIFACTS": str(self.artifact.parent),
            "SEQREC_DATABASE_URL": f"sqlite:///{self.database}",
            "SEQREC_DEVICE": "cpu",
            "SEQREC_API_KEYS": "",
        }


def prepare(settings: Settings, folder: Path, run: Path, reporter: Reporter) -> Ground:
    """Obtain data, model and database as far as they are missing, and copy the database into the folder ``run``.

    The artifacts of the settings are taken where there are any; otherwise `TRAINED` is trained into ``folder``.
    """
    data = find_data(settings) or obtain_data(settings, reporter)
    newest = artifact.newest(settings.artifacts) or artifact.newest(folder / "artifacts")
    if newest is None:
        own = settings.model_copy(update={"artifacts": folder / "artifacts"})
        newest = train_model(dataset.read(data), preset(TRAINED), own, reporter, resume=True).folder
    kept = folder / f"{dataset.checksum(data)[:16]}.db"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        own = settings.model_copy(update={"database_url": f"sqlite:///{unfinished.resolve()}"})
        load_database(dataset.read(data), own, reporter)
        with sqlite3.connect(unfinished) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        unfinished.replace(kept)
    database = run / "seqrec.db"
    shutil.copyfile(kept, database)
    return Ground(data.resolve(), newest.resolve(), database.resolve())


class Population:
    """The users and movies of the database."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        counted = self._connection.execute("SELECT user_id, count(*) FROM ratings GROUP BY user_id ORDER BY user_id")
        self.ratings: dict[int, int] = dict(counted.fetchall())
        by_ratings = "SELECT movie_id FROM ratings GROUP BY movie_id ORDER BY count(*) DESC, movie_id"
        self.movies: list[int] = [movie for (movie,) in self._connection.execute(by_ratings)]

    def shuffled(self, seed: int) -> list[int]:
        """All users, in an order of its own for each seed."""
        users = list(self.ratings)
        random.Random(seed).shuffle(users)  # noqa: S311 - any order will do
        return users

    def with_about(self, ratings: int, n: int) -> list[int]:
        """The ``n`` users whose numbers of ratings are nearest to ``ratings``."""
        return sorted(self.ratings, key=lambda user: (abs(self.ratings[user] - ratings), user))[:n]

    def history(self, user: int) -> list[tuple[int, float]]:
        """Movies and stars, oldest first."""
        query = "SELECT movie_id, stars, rated_at FROM ratings WHERE user_id = ?"
        rated = self._connection.execute(query, [user]).fetchall()
        movies, times = (np.array([row[column] for row in rated], dtype=np.int64) for column in (0, 2))
        order = oldest_first(np.full(len(rated), user), movies, times)
        return [rated[position][:2] for position in order.tolist()]

    def unrated(self, user: int, n: int) -> Sequence[int]:
        """The ``n`` most rated movies that this user has not rated."""
        rated = {movie for movie, _ in self.history(user)}
        return [movie for movie in self.movies if movie not in rated][:n]

    def close(self) -> None:
        self._connection.close()
