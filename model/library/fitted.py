"""A recommender's folder, opened: the model, the ratings that it learned from, and the caller's ids and scale."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from pydantic import BaseModel

from model.data import dataset
from model.data.conversion import values
from model.data.conversion.convert import Conversion
from model.data.conversion.source import as_text
from model.data.conversion.values import Scale
from model.data.origin import IDS_FILES
from model.data.sequences import Examples, Sequences
from model.errors import DataError
from model.features.catalogue import FIRST_INDEX
from model.features.history import History, Rated
from model.features.users import UserContext
from model.inference.artifact import load, newest
from model.inference.scorer import Scorer
from model.library.frames import table
from model.library.ids import ExternalIds, id_texts
from model.library.settings import Settings
from model.rating_scale import LIKE
from model.types import FloatArray, IntArray

DATA, ARTIFACTS, DESCRIPTION = "data", "artifacts", "recommender.json"
"""What is in the folder. The first two are those of a service: ``seqrec up --data DIR/data``."""


class Description(BaseModel):
    """What a recommender was made of.

    Attributes:
        conversion: how the frames were understood.
        whole_numbers: of ``user`` and ``item``, those whose ids are whole numbers.
    """

    settings: Settings
    conversion: Conversion
    whole_numbers: set[str]


class FittedModel:
    """What answers are made of."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """``folder`` must stay; `DataError` if it is not that of a recommender."""
        artifact = newest(folder / ARTIFACTS)
        if artifact is None or not (folder / DESCRIPTION).is_file():
            raise DataError(f"{folder} has no recommender. Name a folder that Recommender.save has written.")
        self.folder = folder
        self.description = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        self.artifact = load(artifact)
        self.scorer = Scorer(self.artifact, device)
        whole = self.description.whole_numbers
        self.users = ExternalIds.read("user", folder / DATA / IDS_FILES["user"], whole_numbers="user" in whole)
        self.items = ExternalIds.read("item", folder / DATA / IDS_FILES["movie"], whole_numbers="item" in whole)
        self.sequences = Sequences.of(dataset.read(folder / DATA))

    @property
    def has_ratings(self) -> bool:
        """False if it has learned from likes: then there are no ratings to predict."""
        return self.description.conversion.scale is not None

    @property
    def scale(self) -> Scale:
        """Of the caller's ratings; `DataError` if there are none."""
        scale = self.description.conversion.scale
        if scale is None:
            raise DataError(
                "This recommender has learned from likes, and knows no ratings. Ask it for lists: recommend."
            )
        return scale

    @cached_property
    def contexts(self) -> dict[int, UserContext]:
        """The history of each user, by number."""
        sequences = self.sequences
        movie_ids = np.array(self.artifact.catalogue.movie_ids, dtype=np.int64)[sequences.movies - FIRST_INDEX]
        rated = History(movie_ids, sequences.stars.astype(np.float64))
        bounds = zip(sequences.user_ids.tolist(), sequences.offsets[:-1], sequences.offsets[1:], strict=True)
        return {user_id: UserContext(history=rated[start:end]) for user_id, start, end in bounds}

    def contexts_in(self, frame: Any) -> dict[str, UserContext]:  # noqa: ANN401 - a frame of any library
        """The history of each user in another frame of ratings, by the text of the id.

        Items that were not learned from do not count. `DataError` for a rating that is not on the scale.
        """
        user, item = (self.description.conversion.columns[role] for role in ("user", "item"))
        rows = table(frame, [user, item]).with_columns(stars=pl.Series(self.stars(frame)))
        rows = rows[self._by_time(frame)]
        histories: dict[str, dict[int, Rated]] = {}
        for text, number, given in zip(
            id_texts(rows[user]), self.items.look_up(rows[item]), rows["stars"], strict=True
        ):
            if number is not None:
                history = histories.setdefault(text, {})
                history.pop(number, None)  # the later one counts, where it stands
                history[number] = Rated(number, given)
        return {text: UserContext(history=list(history.values())) for text, history in histories.items()}

    def pairs(self, frame: Any) -> tuple[IntArray, IntArray]:  # noqa: ANN401 - a frame of any library
        """Numbers of the users and the items in a frame's rows; `DataError` for one that is not known."""
        columns = self.description.conversion.columns
        rows = table(frame, [columns["user"], columns["item"]])
        users, items = self.users.find(rows[columns["user"]]), self.items.find(rows[columns["item"]])
        return np.array(users, dtype=np.int64), np.array(items, dtype=np.int64)

    def rated_pairs(self, frame: Any) -> tuple[IntArray, IntArray, FloatArray]:  # noqa: ANN401 - a frame of any library
        """Numbers of the users and the items in a frame's rows, and the stars; errors as of `pairs` and `stars`.

        Of several rows of one user and item, the latest alone is there.
        """
        users, items = self.pairs(frame)
        rows = pl.DataFrame({"user": users, "item": items, "stars": self.stars(frame)})[self._by_time(frame)]
        latest = rows.unique(["user", "item"], keep="last", maintain_order=True)
        return latest["user"].to_numpy(), latest["item"].to_numpy(), latest["stars"].to_numpy()

    def _by_time(self, frame: Any) -> IntArray:  # noqa: ANN401 - a frame of any library
        """The frame's rows in the order of their times; in their own order if it has none."""
        rows, column = table(frame), self.description.conversion.columns.get("time")
        if column not in rows.columns:
            return np.arange(len(rows))
        times = values.time_number(as_text(column, rows[column].dtype))
        return np.argsort(rows.select(times.fill_null(0)).to_series().to_numpy(), kind="stable")

    def stars(self, frame: Any) -> FloatArray:  # noqa: ANN401 - a frame of any library
        """The ratings in a frame's rows in stars, shape (rows,), or likes of one that has learned from likes.

        `DataError` for a rating that is not on the scale.
        """
        if not self.has_ratings:
            return np.full(len(frame), LIKE, dtype=np.float32)
        scale, column = self.scale, self.description.conversion.columns["rating"]
        rows = table(frame, [column])
        given = rows[column]
        stars = rows.select(scale.apply(values.number(as_text(column, given.dtype)))).to_series()
        for row in stars.is_null().arg_true():
            raise DataError(f"Row {row} has the rating {given[row]}, which is not on the scale: {scale}.")
        return stars.to_numpy().astype(np.float32)

    def on_scale(self, stars: Iterable[float | None]) -> list[float]:
        """Predicted stars as ratings on the caller's scale; `DataError` if there are none."""
        scale = self.scale
        return [round(scale.rating(one), 4) for one in stars if one is not None]

    def with_targets(self, users: IntArray, items: IntArray, stars: FloatArray) -> Examples:
        """The histories of these users, with the ratings as what is to be predicted from them."""
        order = np.argsort(users, kind="stable")
        numbers, counts = np.unique(users, return_counts=True)
        position = {number: index for index, number in enumerate(self.sequences.user_ids.tolist())}
        histories = self.sequences.take(np.array([position[number] for number in numbers.tolist()]))
        targets = self.artifact.catalogue.vocabulary.indices(items[order].tolist())
        return histories.followed_by(targets, stars[order], counts)
