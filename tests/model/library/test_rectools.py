"""SeqRec as a model of RecTools: what it asks of a dataset, and what it answers."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from model.errors import DataError
from seqrec.rectools import RecToolsModel

USERS, ITEMS, LIST = 120, 40, 5


class Interactions(NamedTuple):
    """What a dataset of RecTools answers."""

    frame: pd.DataFrame

    def get_raw_interactions(self) -> pd.DataFrame:
        return self.frame


def watched_by_taste() -> pd.DataFrame:
    """Even users watch even items, odd ones the others; in an order of their own, the last of them held out."""
    random = np.random.default_rng(0)
    rows = [
        (f"viewer-{user}", 1000 + 2 * int(number) + user % 2, 1.0, pd.Timestamp("2024-01-01") + pd.Timedelta(days=day))
        for user in range(USERS)
        for day, number in enumerate(random.permutation(ITEMS // 2)[:14])
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "weight", "datetime"])


WATCHED = watched_by_taste()


@pytest.fixture(scope="module")
def model() -> RecToolsModel:
    model = RecToolsModel(epochs=20, factors=4, hidden=16, learning_rate=0.01, progress=False)
    return model.fit(Interactions(WATCHED))


def recommend(
    model: RecToolsModel, users: list[str], watched: pd.DataFrame = WATCHED, **options: object
) -> pd.DataFrame:
    return model.recommend(users, Interactions(watched), LIST, filter_viewed=True, **options)  # type: ignore[arg-type]


def test_a_list_has_what_a_user_has_not_watched_in_the_form_of_rectools(model: RecToolsModel) -> None:
    lists = recommend(model, ["viewer-7", "viewer-0"])

    assert list(lists.columns) == ["user_id", "item_id", "score", "rank"]
    assert lists["user_id"].tolist() == ["viewer-7"] * LIST + ["viewer-0"] * LIST
    assert lists["rank"].tolist() == [*range(1, LIST + 1)] * 2
    for user, listed in lists.groupby("user_id"):
        assert listed["score"].is_monotonic_decreasing
        assert not set(listed["item_id"]) & set(WATCHED[WATCHED["user_id"] == user]["item_id"])
    assert "rank" not in recommend(model, ["viewer-7"], add_rank_col=False)


def test_it_learns_who_watches_what(model: RecToolsModel) -> None:
    lists = recommend(model, [f"viewer-{user}" for user in range(USERS)])

    of_own_taste = lists["item_id"] % 2 == lists["user_id"].str.removeprefix("viewer-").astype(int) % 2
    assert of_own_taste.mean() > 0.9


def test_histories_are_those_of_the_dataset_that_is_asked_about(model: RecToolsModel) -> None:
    odd = WATCHED[WATCHED["user_id"] == "viewer-1"].assign(user_id="newcomer")
    lists = recommend(model, ["newcomer", "stranger"], odd)

    newcomer = lists[lists["user_id"] == "newcomer"]
    known = recommend(model, ["viewer-1"])
    assert newcomer["item_id"].tolist() == known["item_id"].tolist()
    assert (lists["user_id"] == "stranger").sum() == LIST


def test_ids_are_those_of_the_conversion(model: RecToolsModel) -> None:
    spaced = WATCHED.assign(user_id=" " + WATCHED["user_id"], item_id=WATCHED["item_id"].astype(float))
    lists = recommend(model, [" viewer-1"], spaced)

    assert lists["item_id"].tolist() == recommend(model, ["viewer-1"])["item_id"].tolist()


def test_only_some_items_may_be_asked_for_and_unknown_ones_do_not_count(model: RecToolsModel) -> None:
    assert set(recommend(model, ["viewer-1"], items_to_recommend=[1000, 1002, 7])["item_id"]) <= {1000, 1002}


def test_what_was_watched_is_never_recommended(model: RecToolsModel) -> None:
    with pytest.raises(DataError, match="filter_viewed=True"):
        model.recommend(["viewer-1"], Interactions(WATCHED), LIST, filter_viewed=False)


def test_rectools_itself_compares_it_with_its_own_models() -> None:
    pytest.importorskip("rectools", reason="RecTools is not installed; see .ci/run")
    from rectools.dataset import Dataset  # noqa: PLC0415 - as above
    from rectools.metrics import NDCG  # noqa: PLC0415
    from rectools.model_selection import LastNSplitter, cross_validate  # noqa: PLC0415
    from rectools.models import PopularModel  # noqa: PLC0415

    seqrec = RecToolsModel(epochs=20, factors=4, hidden=16, learning_rate=0.01, progress=False)
    models = {"seqrec": seqrec, "popular": PopularModel()}
    splitter, metrics = LastNSplitter(n=2, n_splits=1), {"ndcg": NDCG(k=LIST)}
    judged = cross_validate(Dataset.construct(WATCHED), splitter, metrics, models, k=LIST, filter_viewed=True)

    ndcg = {one["model"]: one["ndcg"] for one in judged["metrics"]}
    assert ndcg["seqrec"] > 1.5 * ndcg["popular"]
