"""Decides between the model that is served and a new one, by the newest ratings, which neither has learned from.

Both answer as the service would: the same histories, the same catalogue, movies that a model does not know included.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.data.dataset import MovieLens
from model.data.sequences import Examples
from model.evaluation.bootstrap import Difference, MeanDifference, paired_difference, paired_mean_difference
from model.evaluation.ranking_metrics import TOP, ndcg
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.cold_start import ColdStartMovie
from model.inference.scorer import Scorer
from model.rating_scale import RELEVANT_STARS
from model.types import FloatArray

MARGIN = 0.005
"""Models are as good as each other if the intervals of NDCG@10 and of the RMSE, in stars, show no greater loss."""

MOST_USERS = 2000
"""Who are asked about; more would hardly narrow the intervals."""


class HeldOutUser(NamedTuple):
    """A user as of the moment that training ended, and the stars that the user gave later, by movie id."""

    context: UserContext
    later: dict[int, float]


class Answers(NamedTuple):
    """What a model answers.

    Attributes:
        ndcg: NDCG@10 of each user who later liked a movie, in their order, shape (users,).
        stars: predicted for each later rating, user after user, shape (ratings,); None from a model that predicts
            none.
        movies: that the model was trained with, of those of the catalogue.
    """

    ndcg: FloatArray
    stars: FloatArray | None
    movies: int


class Verdict(NamedTuple):
    """Whether the challenger takes over, and why or why not."""

    better: bool
    reason: str


def held_out_users(test: Examples, data: MovieLens) -> list[HeldOutUser]:
    """The first `MOST_USERS` in an order drawn at random."""
    profiles = {row[0]: Profile(*row[1:]) for row in data.users.select("user_id", "gender", "age", "occupation").rows()}
    drawn = np.random.default_rng(0).permutation(len(test))[:MOST_USERS]
    ids, sequences = data.catalogue.vocabulary.ids, test.sequences
    found = []
    for index in drawn.tolist():
        start, end = int(sequences.offsets[index]), int(sequences.offsets[index + 1])
        rated = [
            Rated(ids[movie - 1], float(stars))
            for movie, stars in zip(sequences.movies[start:end].tolist(), sequences.stars[start:end], strict=True)
        ]
        known = int(test.history_lengths[index])
        context = UserContext(profiles[int(sequences.user_ids[index])], rated[:known])
        found.append(HeldOutUser(context, {entry.movie_id: entry.stars for entry in rated[known:]}))
    return found


def evaluate(model: Scorer, held_out: Sequence[HeldOutUser], data: MovieLens, titles: FloatArray) -> Answers:
    """``titles`` are the title vectors of the data's catalogue, shape (movies, title width)."""
    catalogue = data.catalogue
    missing = [
        ColdStartMovie(movie_id, title, genres, titles[index])
        for index, (movie_id, title, genres) in enumerate(
            zip(catalogue.movie_ids, catalogue.titles, catalogue.genres, strict=True), start=1
        )
        if movie_id not in model.trained_ids
    ]
    scorer = model.with_cold_start(missing) if missing else model
    likers = [user for user in held_out if max(user.later.values()) >= RELEVANT_STARS]
    lists = scorer.recommend_many([user.context for user in likers], catalogue.movie_ids, TOP)
    ranked = [[entry.movie_id for entry in entries] for entries in lists]
    return Answers(
        ndcg=np.array(
            [_ndcg(movie_ids, user) for movie_ids, user in zip(ranked, likers, strict=True)], dtype=np.float32
        ),
        stars=_stars(scorer, held_out) if scorer.predicts_stars else None,
        movies=len(catalogue.movie_ids) - len(missing),
    )


def _stars(scorer: Scorer, held_out: Sequence[HeldOutUser]) -> FloatArray:
    pairs = [(index, movie_id) for index, user in enumerate(held_out) for movie_id in user.later]
    users = [user.context for user in held_out]
    predicted = scorer.predict_pairs(users, [index for index, _ in pairs], [movie_id for _, movie_id in pairs])
    return np.array([prediction.stars for prediction in predicted], dtype=np.float32)


def _ndcg(ranked: Sequence[int], user: HeldOutUser) -> float:
    liked = [movie_id for movie_id, stars in user.later.items() if stars >= RELEVANT_STARS]
    return ndcg([np.array([ranked.index(one) if one in ranked else TOP for one in liked])])


def decide(champion: Answers, challenger: Answers, held_out: Sequence[HeldOutUser], data: MovieLens) -> Verdict:
    """By paired bootstraps over users, at 95 %.

    The challenger takes over if its lists are better and its stars not worse, if its stars are better and its lists as
    good, or if both are as good and it knows more movies. Where one of them predicts no stars, lists alone decide.
    """
    actual = np.array([stars for user in held_out for stars in user.later.values()], dtype=np.float32)
    users = np.repeat(np.arange(len(held_out)), [len(user.later) for user in held_out])
    stars, errors = Difference(0.0, 0.0, 0.0), ""
    if challenger.stars is not None and champion.stars is not None:
        stars = paired_difference(challenger.stars, champion.stars, actual, users, levels=data.rating_scale)
        errors = f", RMSE {stars.rmse:+.4f} ({stars.low:+.4f} to {stars.high:+.4f})"
    lists = (
        paired_mean_difference(challenger.ndcg, champion.ndcg)
        if len(challenger.ndcg)
        else MeanDifference(0.0, 0.0, 0.0)
    )
    figures = (
        f"NDCG@10 {lists.mean:+.4f} ({lists.low:+.4f} to {lists.high:+.4f}){errors} for {len(held_out):,} users' "
        f"{len(actual):,} newest ratings"
    )
    lists_hold, stars_hold = lists.low >= -MARGIN, stars.high <= MARGIN
    if lists.low > 0 and stars.low <= 0:
        return Verdict(True, f"better lists: {figures}")
    if stars.high < 0 and lists_hold:
        return Verdict(True, f"better stars: {figures}")
    if lists_hold and stars_hold and challenger.movies > champion.movies:
        return Verdict(True, f"as good, and knows {challenger.movies - champion.movies:,} more movies: {figures}")
    return Verdict(False, f"not better: {figures}")
