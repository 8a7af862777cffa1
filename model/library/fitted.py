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
from model.data.conversion.convert import Conversion
from model.data.conversion.values import Scale
from model.data.origin import IDS_FILES
from model.data.sequences import Examples, Sequences
from model.errors import DataError
from model.features.catalogue import FIRST_INDEX
from model.features.users import Rated, UserContext
from model.inference.artifact import load, newest
from model.inference.scorer import Scorer
from model.library.frames import table
from model.library.ids import ExternalIds
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
        ids, sequences = self.artifact.catalogue.movie_ids, self.sequences
        rated = [
            Rated(ids[index - FIRST_INDEX], stars)
            for index, stars in zip(sequences.movies.tolist(), sequences.stars.tolist(), strict=True)
        ]
        bounds = zip(sequences.user_ids.tolist(), sequences.offsets[:-1], sequences.offsets[1:], strict=True)
        return {user_id: UserContext(history=rated[start:end]) for user_id, start, end in bounds}

    def contexts_in(self, frame: Any) -> dict[str, UserContext]:  # noqa: ANN401 - a frame of any library
        """The history of each user in another frame of ratings, by the text of the id.

        Items that were not learned from do not count. `DataError` for a rating that is not on the scale.
        """
        user, item, time = (self.description.conversion.columns[role] for role in ("user", "item", "time"))
        stars = np.full(len(frame), LIKE) if self.description.conversion.scale is None else self.stars(frame)
        rows = table(frame, [user, item, time]).with_columns(stars=pl.Series(stars)).sort(time, maintain_order=True)
        histories: dict[str, dict[int, Rated]] = {}
        for user_id, item_id, _, own in rows.iter_rows():
            for number in self.items.find_known([item_id]):
                history = histories.setdefault(str(user_id), {})
                history.pop(number, None)  # the later one counts, where it stands
                history[number] = Rated(number, own)
        return {user_id: UserContext(history=list(history.values())) for user_id, history in histories.items()}

    def pairs(self, frame: Any) -> tuple[IntArray, IntArray]:  # noqa: ANN401 - a frame of any library
        """Numbers of the users and the items in a frame's rows; `DataError` for one that is not known."""
        columns = self.description.conversion.columns
        rows = table(frame, [columns["user"], columns["item"]])
        users, items = self.users.find(rows[columns["user"]]), self.items.find(rows[columns["item"]])
        return np.array(users, dtype=np.int64), np.array(items, dtype=np.int64)

    def stars(self, frame: Any) -> FloatArray:  # noqa: ANN401 - a frame of any library
        """The ratings in a frame's rows in stars, shape (rows,); `DataError` for one that is not on the scale."""
        scale, column = self.scale, self.description.conversion.columns["rating"]
        given = table(frame, [column]).to_series().cast(pl.Float64, strict=False)
        stars = pl.select(scale.apply(pl.lit(given))).to_series()
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
