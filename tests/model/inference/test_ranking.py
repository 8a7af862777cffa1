"""What a list is ordered by, and why a movie is in it."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from builders import RATING_ONLY, SMALL, known_stars, network, user

from model.errors import NoRelevanceError
from model.features.catalogue import Vocabulary
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.encoding.catalogue import EncodedCatalogue, encode_all
from model.inference.ranking import UserRanking
from model.inference.results import RANKING_DECIMALS, RankBy, Recommendation, descending
from model.inference.scorer import Scorer
from model.inference.user_state import UserState
from model.network.config import NetworkConfig
from model.network.heads import Stars
from model.training.presets import PRESETS

PROFILE = Profile(gender="F", age=25, occupation=4)
HISTORY = [Rated(3, 5), Rated(10, 1), Rated(7, 4), Rated(22, 3), Rated(15, 5)]
USER = UserContext(PROFILE, HISTORY)
N = 6


def recommended(
    scorer: Scorer, history: Sequence[Rated] = HISTORY, rank_by: RankBy | None = None, **options: Any
) -> list[Recommendation]:
    return scorer.recommend(UserContext(PROFILE, history), scorer.vocabulary.ids, n=200, rank_by=rank_by, **options)


def encoded_catalogue(config: NetworkConfig, movies: int) -> EncodedCatalogue:
    """Of a network with random weights; a movie's id is its index."""
    return EncodedCatalogue.of(network(config, movies + 1), Vocabulary(range(1, movies + 1)))


def test_movies_that_are_encoded_part_by_part_are_the_same() -> None:
    seqrec, indices = network(SMALL.network, 41), torch.arange(41)
    with torch.inference_mode():
        whole, parts = encode_all(seqrec, indices), encode_all(seqrec, indices, at_once=16)

    assert torch.allclose(whole.hidden, parts.hidden, atol=1e-6)
    assert torch.equal(whole.prior.vectors, parts.prior.vectors)
    assert torch.equal(whole.prior.offsets, parts.prior.offsets)


def test_two_threads_that_want_stars_of_one_user_both_get_whole_ones(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = scorer.read(USER)
    indices = np.arange(1, 10)
    has_begun, go_on = threading.Event(), threading.Event()
    like_probability = Stars.like_probability

    def slowly(stars: Stars, scale: tuple[float, ...]) -> torch.Tensor | None:
        if not has_begun.is_set():  # the first thread waits here
            has_begun.set()
            go_on.wait(60)
        return like_probability(stars, scale)

    monkeypatch.setattr(Stars, "like_probability", slowly)
    with ThreadPoolExecutor(1, initializer=torch.set_grad_enabled, initargs=(False,)) as threads, torch.no_grad():
        first = threads.submit(state.stars, indices)
        has_begun.wait(60)
        state.stars(indices)
        likely = state.predicted(indices).like_probability
        go_on.set()
        first.result()
    assert not np.isnan(likely).any()


def test_a_state_keeps_the_stars_of_the_listed_movies_alone_until_all_are_asked_for(scorer: Scorer) -> None:
    state, everything = scorer.read(USER), scorer.mask(scorer.vocabulary.ids)
    listed = scorer.recommend_from(state, everything, n=5)
    of_few = state.nbytes
    by_stars = scorer.recommend_from(state, everything, n=len(scorer.vocabulary.ids), rank_by="rating")

    # For each an index of a byte, stars, how likely they are 4 or more, and a place in the order, of a byte too.
    assert state.nbytes - of_few > 10 * len(by_stars)
    again = {entry.movie_id: (entry.stars, entry.like_probability) for entry in by_stars}
    assert [again[one.movie_id] for one in listed] == [(one.stars, one.like_probability) for one in listed]


def test_lists_are_ordered_by_relevance_unless_stars_are_asked_for(scorer: Scorer) -> None:
    by_relevance, by_rating = recommended(scorer), recommended(scorer, rank_by="rating")

    assert scorer.default_rank_by == "relevance"
    relevances = [entry.relevance or 0 for entry in by_relevance]
    assert relevances == sorted(relevances, reverse=True)
    stars = known_stars(by_rating)
    assert stars == sorted(stars, reverse=True)
    assert by_relevance != by_rating


def test_each_entry_carries_both_values_whatever_the_order(scorer: Scorer) -> None:
    by_relevance, by_rating = recommended(scorer), recommended(scorer, rank_by="rating")

    for value in ("stars", "relevance"):
        one, other = (
            {entry.movie_id: getattr(entry, value) for entry in listed} for listed in (by_relevance, by_rating)
        )
        assert one == pytest.approx(other, abs=1e-4)
    assert all(1 <= stars <= 5 for stars in known_stars(by_relevance))


def test_relevances_are_probabilities_of_all_that_is_not_rated(scorer: Scorer) -> None:
    assert sum(entry.relevance or 0 for entry in recommended(scorer)) == pytest.approx(1, abs=1e-4)


def test_the_stars_of_a_list_are_those_of_a_prediction(scorer: Scorer) -> None:
    listed = recommended(scorer)[:N]
    predicted = scorer.predict(USER, [entry.movie_id for entry in listed])

    assert [entry.stars for entry in listed] == pytest.approx([one.stars for one in predicted], abs=1e-4)


def test_a_filter_changes_no_relevance(scorer: Scorer) -> None:
    some = scorer.vocabulary.ids[::3]
    filtered = scorer.recommend(USER, some, n=N)

    whole = {entry.movie_id: entry.relevance for entry in recommended(scorer)}
    assert [whole[entry.movie_id] for entry in filtered] == [entry.relevance for entry in filtered]


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_a_contribution_is_what_the_score_loses_without_that_rating(scorer: Scorer, rank_by: RankBy) -> None:
    listed = scorer.recommend(USER, scorer.vocabulary.ids, n=N, rank_by=rank_by, explain=True)
    assert any(entry.reasons for entry in listed)
    rated = {entry.movie_id for entry in HISTORY}
    given = {entry.movie_id: entry.stars for entry in HISTORY}
    liked = {3, 7, 15}  # the mean of the history is 3.6 stars

    for entry in listed:
        lost = {}
        for left_out in HISTORY:
            shorter = [one for one in HISTORY if one is not left_out]
            others = recommended(scorer, shorter, rank_by)
            if rank_by == "rating":
                (without,) = known_stars(other for other in others if other.movie_id == entry.movie_id)
                lost[left_out.movie_id] = known_stars([entry])[0] - without
            else:
                # The movie taken out is a candidate now: of the others, the level_shares are as if it were not.
                of_others = sum(other.relevance or 0 for other in others if other.movie_id not in rated)
                without = next(other.relevance or 0 for other in others if other.movie_id == entry.movie_id)
                lost[left_out.movie_id] = np.log(entry.relevance or 0) - np.log(without / of_others)
        expected = sorted((value for id_, value in lost.items() if value > 0 and id_ in liked), reverse=True)[:3]
        assert entry.reasons is not None
        assert [reason.contribution for reason in entry.reasons] == pytest.approx(expected, abs=2e-3)
        for reason in entry.reasons:
            assert lost[reason.movie_id] == pytest.approx(reason.contribution, abs=2e-3)
            assert given[reason.movie_id] == reason.stars


def test_a_movie_that_the_user_rated_below_the_own_mean_is_no_reason(scorer: Scorer) -> None:
    history = [Rated(movie_id, 2.0 if movie_id % 2 else 4.0) for movie_id in range(1, 41)]
    listed = recommended(scorer, history, explain=True)

    named = {reason.movie_id for entry in listed for reason in entry.reasons or ()}
    assert named
    assert all(movie_id % 2 == 0 for movie_id in named)


@pytest.mark.parametrize("rank_by", ["relevance", "next", "rating"])
def test_a_rated_movie_has_no_reasons_in_any_order(scorer: Scorer, rank_by: RankBy) -> None:
    rated, unrated = HISTORY[0].movie_id, [30, 31, 32]
    reasons = {entry.movie_id: entry.reasons for entry in scorer.rank(USER, [rated, *unrated], rank_by, explain=True)}

    assert reasons[rated] == ()
    assert any(reasons[movie_id] for movie_id in unrated)


def test_a_user_who_gives_all_movies_the_same_has_reasons(scorer: Scorer) -> None:
    listed = recommended(scorer, [Rated(movie_id, 3.0) for movie_id in range(1, 12)], explain=True)

    assert any(entry.reasons for entry in listed)


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_the_chance_to_like_a_movie_is_the_predicted_one_of_4_or_5_stars(scorer: Scorer, rank_by: RankBy) -> None:
    listed = recommended(scorer, rank_by=rank_by)[:N]
    ids = [entry.movie_id for entry in listed]
    expected = [sum((one.probabilities or ())[3:]) for one in scorer.predict(USER, ids)]

    assert [entry.like_probability for entry in listed] == pytest.approx(expected, abs=2e-4)
    ranked = {entry.movie_id: entry.like_probability for entry in scorer.rank(USER, ids, rank_by)}
    assert [ranked[movie_id] for movie_id in ids] == pytest.approx(expected, abs=2e-4)


def test_there_are_no_reasons_unless_asked_for_and_none_without_a_history(scorer: Scorer) -> None:
    assert all(entry.reasons is None for entry in recommended(scorer))
    assert all(entry.reasons == () for entry in recommended(scorer, [], explain=True))


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("recurrent", ["mlstm", "lstm", "bag"])
@pytest.mark.parametrize("ratings", [1, 19, 20, 21, 26, 30])
def test_without_each_is_what_the_network_says_of_a_history_without_it(
    ratings: int, recurrent: str, every: int
) -> None:
    # The encoder reads the latest 16 to 20: without one of them, older ones may move up.
    seqrec = network(SMALL.network.model_copy(update={"recurrent": recurrent}), vocabulary_size=60)
    relevance = seqrec.require_ranking().members[0]
    rated, stars = range(1, ratings + 1), [1.0 + coordinate % 5 for coordinate in range(ratings)]
    with torch.inference_mode():
        movies = relevance.movies()
        left_out = np.arange(relevance.config.window_start(ratings), ratings, every)
        quick = relevance.queries_without_each(user(rated, stars), movies, left_out)

        for coordinate, query in zip(left_out.tolist(), quick, strict=True):
            without = user(
                [*rated[:coordinate], *rated[coordinate + 1 :]], stars[:coordinate] + stars[coordinate + 1 :]
            )
            assert torch.allclose(query, relevance.queries(without, movies)[0], atol=1e-5)


def test_of_a_long_history_the_latest_ratings_are_looked_at() -> None:
    # The encoder of this network reads 20.
    catalogue = encoded_catalogue(SMALL.network, movies=89)
    history = [Rated(movie_id, 4.0) for movie_id in range(1, 61)]
    with torch.inference_mode():
        state = UserState(catalogue, UserContext(history=history))
        entries = UserRanking(state, "relevance").best(np.arange(90) > 60, n=29, explain=True)

    reasons = [reason.movie_id for entry in entries for reason in entry.reasons or ()]
    assert reasons
    assert set(reasons) <= set(range(41, 61))


def test_pages_of_a_diverse_list_join_without_a_gap(scorer: Scorer) -> None:
    ids = scorer.vocabulary.ids
    whole = [entry.movie_id for entry in scorer.recommend(USER, ids, n=24, diversity=0.5)]
    pages = [
        entry.movie_id
        for offset in (0, 8, 16)
        for entry in scorer.recommend(USER, ids, n=8, offset=offset, diversity=0.5)
    ]

    assert pages == whole
    assert whole != [entry.movie_id for entry in scorer.recommend(USER, ids, n=24)]


def test_a_model_of_stars_ranks_by_them_and_refuses_relevance() -> None:
    catalogue = encoded_catalogue(RATING_ONLY.network, movies=29)
    state = UserState(catalogue, UserContext(history=[Rated(3, 5.0), Rated(4, 2.0)]))
    assert UserRanking(state, None).rank_by == "rating"
    with pytest.raises(NoRelevanceError, match="rank by rating"):
        UserRanking(state, "relevance")


def test_a_model_of_the_mean_alone_knows_no_chance_to_like_a_movie() -> None:
    catalogue = encoded_catalogue(SMALL.network.model_copy(update={"likelihood": "normal"}), movies=29)
    with torch.inference_mode():
        state = UserState(catalogue, UserContext(history=[Rated(3, 5.0), Rated(4, 2.0)]))
        listed = UserRanking(state, None).best(np.ones(30, dtype=bool), 2)

    assert [entry.like_probability for entry in listed] == [None, None]


def test_what_is_served_ranks() -> None:
    assert PRESETS["seqrec"].network.ranking is not None
    assert PRESETS["seqrec"].ranking_training is not None


def test_scores_descend_equal_ones_keep_their_order_and_what_is_impossible_comes_last() -> None:
    scores = np.array([-3.0, -np.inf, 4.25, -3.00004, 0.0, -np.inf, -80.5, 4.25], dtype=np.float32)

    assert descending(scores).tolist() == [2, 7, 4, 0, 3, 6, 1, 5]


def test_scores_of_a_large_catalogue_descend_as_a_stable_sort_says() -> None:
    scores = np.random.default_rng(0).normal(-9, 2, 50_000).astype(np.float32)

    expected = np.argsort(-np.round(scores, RANKING_DECIMALS), kind="stable")

    np.testing.assert_array_equal(descending(scores), expected)
