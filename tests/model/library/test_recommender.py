"""The library: data frames in, data frames out, with the caller's ids and scale."""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest
from builders import star_figures

from model.errors import DataError, NoStarsError, SeqRecError
from model.library import Evaluation
from model.library.frames import table
from model.library.ids import id_texts
from model.network.config import RankingConfig
from model.training.presets import PRESETS, QUICK_LOOK
from seqrec.recommender import Recommender

USERS, ITEMS = 120, 40


def item(number: int) -> str:
    return f"tt{number:04}"


def ratings_by_taste() -> pd.DataFrame:
    """Ratings of 1 to 10: even users love even items and dislike odd ones, and the other way round."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        for order, number in enumerate(random.permutation(ITEMS)[:26]):
            rating = 9 if user % 2 == number % 2 else 3
            rows.append(
                (f"reader-{user}", item(number), rating + int(random.integers(-1, 2)), f"2024-01-{order + 1:02}")
            )
    return pd.DataFrame(rows, columns=["reader", "book", "score", "date"])


ITEM_FRAME = pd.DataFrame(
    {
        "book": [item(number) for number in range(ITEMS)],
        "title": [f"Made Up {number} (2001)" for number in range(ITEMS)],
        "genres": ["Drama" if number % 2 else "Comedy|Crime" for number in range(ITEMS)],
    }
)


@pytest.fixture(scope="module")
def held_out() -> pd.DataFrame:
    """The latest rating of each user."""
    return ratings_by_taste().groupby("reader").tail(1)


@pytest.fixture(scope="module")
def known(held_out: pd.DataFrame) -> pd.DataFrame:
    return ratings_by_taste().drop(held_out.index)


@pytest.fixture(scope="module")
def recommender(known: pd.DataFrame) -> Recommender:
    return Recommender(epochs=80, factors=4, hidden=24, learning_rate=0.01, progress=False).fit(
        known, ITEM_FRAME, user="reader", item="book"
    )


def test_lists_are_frames_of_the_callers_kind_in_the_callers_ids(recommender: Recommender, known: pd.DataFrame) -> None:
    lists = recommender.recommend(["reader-7", "reader-2"], n=3)

    assert isinstance(lists, pd.DataFrame)
    assert lists["user"].tolist() == ["reader-7"] * 3 + ["reader-2"] * 3
    assert lists["rank"].tolist() == [1, 2, 3] * 2
    seen = set(known[known["reader"] == "reader-7"]["book"])
    assert seen.isdisjoint(lists["item"][:3])
    assert lists["relevance"][:3].is_monotonic_decreasing


def test_lists_follow_the_taste(recommender: Recommender) -> None:
    lists = recommender.recommend([f"reader-{user}" for user in range(20)], n=3)
    same = [int(row.user.split("-")[1]) % 2 == int(row.item[2:]) % 2 for row in lists.itertuples()]
    assert np.mean(same) > 0.9


def test_predictions_are_on_the_callers_scale(recommender: Recommender, held_out: pd.DataFrame) -> None:
    predicted = recommender.predict(held_out)

    assert predicted["user"].tolist() == held_out["reader"].tolist()
    assert predicted["item"].tolist() == held_out["book"].tolist()
    error = np.abs(predicted["rating"].to_numpy() - held_out["score"].to_numpy())
    assert error.mean() < 1.5
    assert predicted["rating"].max() > 7


def test_held_out_ratings_are_evaluated(recommender: Recommender, held_out: pd.DataFrame) -> None:
    evaluation = recommender.evaluate(held_out)

    assert isinstance(evaluation, Evaluation)
    assert evaluation.ratings is not None
    assert evaluation.ratings.rmse < 0.7  # in stars, where all at the mean would have 1.5
    assert evaluation.lists is not None
    assert evaluation.lists.hr_at_10 > 0.7  # of 15 unrated items, half are to the taste


def test_what_is_evaluated_are_the_lists_that_are_recommended(recommender: Recommender, held_out: pd.DataFrame) -> None:
    liked = held_out[held_out["score"] > 6]
    lists = recommender.recommend(liked["reader"].tolist(), n=ITEMS)
    found = liked.merge(lists, left_on=["reader", "book"], right_on=["user", "item"])

    evaluation = recommender.evaluate(liked)

    assert evaluation.lists is not None
    assert len(found) == len(liked)
    assert evaluation.lists.mrr == pytest.approx((1 / found["rank"]).mean(), abs=1e-3)


def test_rows_that_occur_twice_count_once(recommender: Recommender, held_out: pd.DataFrame) -> None:
    assert recommender.evaluate(pd.concat([held_out, held_out])) == recommender.evaluate(held_out)


def test_of_two_ratings_of_one_item_the_later_one_counts(recommender: Recommender, held_out: pd.DataFrame) -> None:
    earlier = held_out.assign(score=1, date="2023-12-31")

    both = recommender.evaluate(pd.concat([held_out, earlier]))

    assert both == recommender.evaluate(held_out)
    without_times = pd.concat([earlier, held_out]).drop(columns="date")
    assert recommender.evaluate(without_times) == both


def test_the_card_tells_how_good_the_model_was_for_users_it_had_not_met(recommender: Recommender) -> None:
    assert recommender.card.data.users == USERS
    figures = star_figures(recommender.card)
    assert figures.rmse < figures.baselines["bias"].rmse


def test_similar_items_are_of_one_taste(recommender: Recommender) -> None:
    similar = recommender.similar(item(4), n=5)
    assert similar["similarity"].is_monotonic_decreasing
    assert sum(int(name[2:]) % 2 == 0 for name in similar["item"]) >= 4


def test_a_saved_recommender_answers_the_same(recommender: Recommender, tmp_path: Path) -> None:
    folder = recommender.save(tmp_path / "saved")
    loaded = Recommender.load(folder)

    assert loaded.settings == recommender.settings
    assert loaded.recommend(["reader-7"]).rows() == [
        tuple(row) for row in recommender.recommend(["reader-7"]).itertuples(index=False)
    ]
    with pytest.raises(FileExistsError):
        recommender.save(folder)


def test_a_recommender_goes_to_the_hub_and_back_as_a_folder(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save_pretrained(tmp_path / "hub")
    again = Recommender.from_pretrained(str(tmp_path / "hub"), device="cpu")
    assert again.recommend(["reader-3"])["item"].to_list() == recommender.recommend(["reader-3"])["item"].tolist()


def test_saving_into_a_folder_replaces_the_recommender_there(
    recommender: Recommender, known: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Recommender(epochs=1, hidden=4, progress=False)
    later.fit(known[["reader", "book"]], likes=True, user="reader", item="book")
    folder = tmp_path / "hub"
    later.save_pretrained(folder)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copy", no_space)
        with pytest.raises(OSError, match="No space"):
            recommender.save_pretrained(folder)
    assert Recommender.from_pretrained(str(folder)).card == later.card

    recommender.save_pretrained(folder)

    assert Recommender.from_pretrained(str(folder)).card == recommender.card
    assert len([*(folder / "artifacts").iterdir()]) == 1
    assert not list(folder.rglob("likes.csv"))


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_is_published_replaces_what_the_repository_has(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded: list[Any] = []
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda *_, **__: Repository("me/books"))
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", lambda _, **options: uploaded.append(options))

    recommender.push_to_hub("me/books", private=True)

    assert uploaded[0]["delete_patterns"] == ["data/*", "artifacts/*"]


class Repository(NamedTuple):
    """What the hub answers of a new one."""

    repo_id: str


def test_a_frame_of_polars_with_whole_numbers_as_ids_gets_such_answers() -> None:
    numbers = pl.DataFrame(
        {
            "user": [user + 1 for user in range(60) for _ in range(22)],
            "item": [(user + step * 3) % 31 + 1 for user in range(60) for step in range(22)],
            "rating": [1.0 + (user + step) % 5 for user in range(60) for step in range(22)],
        }
    )
    fitted = Recommender("seqrec-rating", rating_epochs=1, factors=2, progress=False).fit(numbers)
    lists = fitted.recommend([5], n=2)

    assert isinstance(lists, pl.DataFrame)
    assert lists["user"].to_list() == [5, 5]
    assert lists["item"].dtype == pl.Int64
    assert lists["relevance"].to_list() == [None, None]


def test_what_was_learned_from_is_understood_when_it_is_asked_about() -> None:
    """Ids as floats, since one is missing, ids with spaces around them, and ratings in words."""
    rows = [
        (float(user), f" b{book} ", "up" if user % 2 == book % 2 else "down")
        for user in range(60)
        for book in (step + user for step in range(15))
    ]
    frame = pd.DataFrame([*rows, (np.nan, "b1", "up")], columns=["user", "item", "rating"])
    with pytest.warns(UserWarning, match="Left out 1 rows: no user"):
        fitted = Recommender("seqrec-rating", rating_epochs=1, factors=2, progress=False).fit(frame)
    known = frame.dropna()

    assert fitted.predict(known)[["user", "item"]].values.tolist() == [[user, book.strip()] for user, book, _ in rows]
    assert fitted.evaluate(known).ratings is not None
    lists = fitted.recommend(known["user"].head(1), items=known["item"].tail(15), n=3)
    assert lists["user"].tolist() == [0] * 3
    with pytest.raises(DataError, match=r"no user \(missing\)"):
        fitted.predict(frame)
    with pytest.raises(DataError, match="Row 0 has the rating maybe"):
        fitted.evaluate(known.assign(rating="maybe"))


def test_rows_that_are_left_out_are_told_with_their_reason_and_counted() -> None:
    rows = [(user, (user + step) % 20, 3 + step % 2) for user in range(30) for step in range(12)]
    frame = pl.DataFrame(
        [*rows, (1, 19, 9), (2, 19, 9), (3, 19, None)], schema=["user", "item", "rating"], orient="row"
    )

    with pytest.warns(UserWarning, match=r"^Left out 3 rows: the rating is not a number on the scale\.$") as told:
        fitted = Recommender("seqrec-rating", rating_epochs=1, factors=2, progress=False).fit(frame, scale=(1, 5))

    assert [warning.filename for warning in told] == [__file__]
    assert fitted.conversion.ratings == len(rows)
    assert [(one.rows, one.first_row) for one in fitted.conversion.left_out] == [(3, len(rows) + 1)]


def test_ids_that_are_texts_stay_as_they_are() -> None:
    assert id_texts(["1.0", "1", " 01 "]) == ["1.0", "1", "01"]
    assert id_texts([1.0, None, 2.0]) == ["1", "", "2"]


def test_a_frame_without_rows_cannot_be_evaluated(recommender: Recommender, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no rows to evaluate"):
        recommender.evaluate(held_out.head(0))


@pytest.mark.parametrize(
    ("frame", "options", "says"),
    [
        pytest.param(
            pl.DataFrame({"a": [1], "b": [2]}),
            {},
            'The frame of ratings lacks a known name of the column of user, item, rating. Name it: user="COLUMN" '
            'item="COLUMN" rating="COLUMN". If there are no ratings, and every row is a like, a click or a purchase: '
            "likes=True. The columns are:\n  The frame of ratings: a, b",
            id="columns",
        ),
        pytest.param(
            pl.DataFrame({"user": [1], "item": [2], "rating": ["x"]}),
            {},
            'The frame of ratings has no rating that is a number. Name another column with rating="COLUMN".',
            id="no number",
        ),
        pytest.param(
            pl.DataFrame({"user": [1], "item": [2], "rating": [3]}),
            {},
            "The frame of ratings has the rating 3 alone, which tells no taste. If every row is a like, say "
            "likes=True; otherwise name the worst and the best rating, as in scale=(1, 10).",
            id="one rating",
        ),
        pytest.param(
            pl.DataFrame({"user": [1, 1], "item": [2, 3], "rating": [3, 4]}),
            {"items": pl.DataFrame({"sku": [2], "label": ["A"]})},
            "The frame of items lacks known names of the columns of ids and of titles. Name them: "
            'items_id="COLUMN" title="COLUMN". The columns are:\n  The frame of items: sku, label',
            id="items",
        ),
        pytest.param(
            pl.DataFrame({"user": [1], "item": [2], "rating": [3]}),
            {"user": "who"},
            "The frame of ratings has no column 'who'. It has: user, item, rating.",
            id="named column",
        ),
        pytest.param(
            pl.DataFrame({"user": [1], "item": [2], "rating": [3]}),
            {"scale": (10, 1)},
            "scale=(10, 1) must name the worst rating first, then the best.",
            id="scale",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_said_in_arguments_and_frames(
    frame: pl.DataFrame, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SeqRecError) as refused:
        Recommender().fit(frame, **options)
    assert str(refused.value) == says


def test_the_ids_of_items_may_have_another_name_in_their_frame(known: pd.DataFrame) -> None:
    items = ITEM_FRAME.rename(columns={"book": "sku", "title": "label"})
    fitted = Recommender("seqrec-rating", rating_epochs=1, factors=2, progress=False).fit(
        known, items, user="reader", item="book", items_id="sku", title="label"
    )
    assert fitted.conversion.titled == ITEMS


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pd.to_datetime(["2024-05-31", None]), [datetime(2024, 5, 31), None]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.array(["ann", None], dtype="string"), ["ann", None]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        ([1.5, np.nan], [1.5, None]),
        ([UUID(int=1), None], ["00000000-0000-0000-0000-000000000001", None]),
        ([{1}, None], ["{1}", None]),
        (pd.period_range("2024-05-31", "2024-06-01", freq="D"), ["2024-05-31", "2024-06-01"]),
        ([None, None], [None, None]),
    ],
    ids=["dates", "whole", "texts", "truths", "floats", "uuids", "sets", "periods", "nothing"],
)
def test_values_of_pandas_are_read_and_what_is_missing_is_missing(
    values: Any, read: list[object], tmp_path: Path
) -> None:
    rows = table(pd.DataFrame({"column": values}))

    assert rows["column"].to_list() == read
    rows.write_parquet(tmp_path / "rows.parquet")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda model: model.recommend(["nobody"]), "no user nobody"),
        (lambda model: model.recommend(items=["tt9999"]), "no item tt9999"),
        (lambda model: model.recommend("reader-7"), r"A list of users is wanted, .* pass \['reader-7'\]"),
        (lambda model: model.recommend(items="tt0001"), r"A list of items is wanted, .* pass \['tt0001'\]"),
        (lambda model: model.predict(pd.DataFrame({"reader": []})), "no column book"),
        (lambda model: model.predict([("reader-1", "tt0001")]), "pandas or polars is wanted, not list"),
        (lambda model: Recommender().recommend(), "Call fit first"),
        (lambda model: Recommender.load("nowhere"), "Recommender.save has written"),
    ],
)
def test_what_cannot_be_answered_says_why(recommender: Recommender, wrong: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        wrong(recommender)


def test_a_rating_off_the_scale_is_named(recommender: Recommender, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="Row 0 has the rating 11,"):
        recommender.evaluate(held_out.assign(score=11))


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        Recommender(epoch=3)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_random_numbers_cannot_begin_with_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        Recommender(seed=seed)


def test_a_history_of_one_rating_is_refused_since_nothing_follows_it() -> None:
    for build in (lambda: Recommender(history_length=1), lambda: RankingConfig(history_length=1)):
        with pytest.raises(ValueError, match="greater than or equal to 2"):
            build()
    assert RankingConfig(history_length=2).window_start(3) == 1


def test_learning_anew_leaves_no_folder_of_the_model_before(
    known: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    recommender = Recommender(epochs=1, rating_epochs=1, factors=2, hidden=4, progress=False)
    frames = (known[["reader", "book"]], ITEM_FRAME)
    for _ in range(2):
        recommender.fit(*frames, likes=True, user="reader", item="book")
    with pytest.raises(DataError, match="no column 'nobody'"):
        recommender.fit(*frames, likes=True, user="nobody", item="book")

    assert list(tmp_path.glob("seqrec-*")) == [recommender.require_fitted().folder]
    assert len(recommender.recommend(["reader-1"], n=3)) == 3
    recommender.save(tmp_path / "saved")


def test_who_learns_from_some_users_alone_is_told(known: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "seqrec-small", QUICK_LOOK.model_copy(update={"most_ratings": 1_000}))
    small = Recommender(epochs=1, rating_epochs=1, factors=4, hidden=24, progress=False)

    with pytest.warns(UserWarning, match=r"at most 1,000 ratings: here from 40 of the 96 users") as told:
        small.fit(known, user="reader", item="book")

    assert len(told) == 1


def test_a_frame_without_ratings_is_learned_as_likes(known: pd.DataFrame, held_out: pd.DataFrame) -> None:
    liked = known[known["score"] > 5].drop(columns="score")
    wanted = held_out[held_out["score"] > 5].drop(columns="score")

    recommender = Recommender(epochs=60, hidden=24, learning_rate=0.01, progress=False).fit(
        liked, ITEM_FRAME, user="reader", item="book"
    )

    lists = recommender.recommend(["reader-1"], n=3)
    assert list(lists.columns) == ["user", "item", "rank", "relevance"]
    odd = [int(book.removeprefix("tt")) % 2 for book in lists["item"]]
    assert odd == [1, 1, 1]  # as all that this reader liked
    evaluation = recommender.evaluate(wanted)
    assert evaluation.ratings is None
    assert evaluation.lists is not None
    assert evaluation.lists.hr_at_10 > 0.6
    with pytest.raises(NoStarsError, match="predicts no stars"):
        recommender.predict(wanted)
