"""SeqRec as a model of RecTools."""

from collections.abc import Iterable
from typing import Any, Protocol, Self

import pandas as pd

from model.errors import DataError
from model.features.users import UserContext
from model.library.ids import id_texts
from model.library.recommender import Recommender

# ruff: noqa: ANN401 - RecTools need not be installed, and its types are not here


class Dataset(Protocol):
    """What is asked of a dataset of RecTools."""

    def get_raw_interactions(self) -> pd.DataFrame:
        """Rows ``user_id``, ``item_id``, ``weight`` and ``datetime``, in the caller's ids."""


class RecToolsModel:
    """Takes the place of RecTools' ``ModelBase`` where models are fitted, asked and compared.

    models = {"seqrec": RecToolsModel(), "popular": PopularModel()}
    cross_validate(dataset, splitter, metrics, models, k=10, filter_viewed=True)
    """

    recommends_for_warm = True
    recommends_for_cold = True
    require_recommend_context = False

    def __init__(
        self, preset: str = "seqrec-small", *, scale: tuple[float, float] | None = None, **settings: Any
    ) -> None:
        """``scale`` is the worst and the best weight; None to guess them. ``settings`` are those of `Recommender`."""
        self.recommender = Recommender(preset, **settings)
        self.scale = scale

    def fit(self, dataset: Dataset) -> Self:
        """Learn from a dataset's interactions: weights are ratings, or, where all are the same, every row is a like.

        Raises `DataError` if there are too few to learn from.
        """
        interactions = dataset.get_raw_interactions()
        likes = interactions["weight"].nunique() == 1
        weights = {} if likes else {"rating": "weight"}
        self.recommender.fit(
            interactions, scale=self.scale, likes=likes, user="user_id", item="item_id", time="datetime", **weights
        )
        return self

    def recommend(
        self,
        users: Iterable[object],
        dataset: Dataset,
        k: int,
        filter_viewed: bool,
        items_to_recommend: Iterable[object] | None = None,
        add_rank_col: bool = True,
        on_unsupported_targets: str = "raise",  # noqa: ARG002 - every user is supported
        context: pd.DataFrame | None = None,  # noqa: ARG002 - nothing is asked of it
    ) -> pd.DataFrame:
        """The ``k`` best items for each user: ``user_id``, ``item_id``, ``score`` and, from 1 on, ``rank``.

        Histories are those of ``dataset``, which may have more users and later interactions than that of `fit`; items
        that `fit` has not seen do not count and are not recommended. A user without a history gets the list of an
        average one. The score is the predicted relevance.

        Raises `DataError` before `fit`, and without ``filter_viewed``: a model of what comes next does not say what
        comes again.
        """
        if not filter_viewed:
            raise DataError("SeqRec recommends what a user has not seen yet: ask with filter_viewed=True.")
        fitted = self.recommender.require_fitted()
        asked = list(users)
        interactions = dataset.get_raw_interactions()
        contexts = fitted.contexts_in(interactions[interactions["user_id"].isin(asked)])
        among = fitted.items.numbers if items_to_recommend is None else fitted.items.find_known(items_to_recommend)
        lists = fitted.scorer.recommend_many([contexts.get(text, UserContext()) for text in id_texts(asked)], among, k)
        entries = [
            (user, rank, entry)
            for user, listed in zip(asked, lists, strict=True)
            for rank, entry in enumerate(listed, start=1)
        ]
        columns = {
            "user_id": [user for user, _, _ in entries],
            "item_id": fitted.items.names(entry.movie_id for _, _, entry in entries),
            "score": [entry.stars if entry.relevance is None else entry.relevance for _, _, entry in entries],
        }
        return pd.DataFrame(columns | ({"rank": [rank for _, rank, _ in entries]} if add_rank_col else {}))
