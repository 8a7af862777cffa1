"""Lists from very many movies: the index finds what comparing all of them finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import SMALL, network

from model.features.catalogue import Vocabulary
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.encoding.segments import Segmented
from model.inference.index import BEST, INDEXED_ABOVE, MovieIndex
from model.inference.ranking import UserRanking
from model.inference.results import Recommendation
from model.inference.user_state import UserState
from model.network.rating import SeqRec
from model.types import BoolArray

MOVIES = 20_000
ADDED = 3
"""Movies behind those of the index."""


@pytest.fixture(scope="module")
def exact() -> EncodedCatalogue:
    """A catalogue that compares all movies, which resemble each other in groups; a movie's id is its index."""
    size = MOVIES + 1 + ADDED
    seqrec = network(SMALL.network, size)
    ranking = seqrec.require_ranking().members[0]
    movies = ranking.movies
    random = torch.Generator().manual_seed(0)
    groups = torch.randn(200, movies.embedding.weight.shape[1], generator=random)
    with torch.no_grad():
        movies.embedding.weight.copy_(groups[torch.randint(200, (size,), generator=random)])
        movies.embedding.weight += 0.2 * torch.randn(movies.embedding.weight.shape, generator=random)
        movies.popularity.copy_(0.3 * torch.randn(movies.popularity.shape, generator=random))
        ranking.head.query.weight *= 20  # tastes that differ as much as those of a trained network
    return EncodedCatalogue.of(seqrec, Vocabulary(range(1, size)))


@pytest.fixture(scope="module")
def indexed(exact: EncodedCatalogue) -> EncodedCatalogue:
    """The same with an index of all but the movies added later."""
    vectors = exact.require_compared()
    return replace(exact, index=MovieIndex(vectors.take(torch.arange(MOVIES + 1))))


def users(count: int = 20) -> list[UserContext]:
    random = np.random.default_rng(1)
    return [
        UserContext(
            Profile("F", 25, 4),
            [Rated(int(movie), float(random.integers(1, 6))) for movie in random.integers(1, MOVIES, 30)],
        )
        for _ in range(count)
    ]


def listed(
    catalogue: EncodedCatalogue, user: UserContext, among: BoolArray | None = None, n: int = 10, offset: int = 0
) -> list[Recommendation]:
    with torch.inference_mode():
        mask = everything() if among is None else among
        return UserRanking(UserState(catalogue, user), "relevance").best(mask, n, offset)


def everything() -> BoolArray:
    return np.ones(MOVIES + 1 + ADDED, dtype=bool)


def found_share(exact: EncodedCatalogue, indexed: EncodedCatalogue, among: BoolArray | None = None) -> float:
    """Of the first ten of 20 users, how many the index finds."""
    pairs = [
        ({one.movie_id for one in listed(exact, user, among)}, {one.movie_id for one in listed(indexed, user, among)})
        for user in users()
    ]
    return sum(len(expected & found) for expected, found in pairs) / sum(len(expected) for expected, _ in pairs)


def test_the_index_finds_the_best_movies(exact: EncodedCatalogue, indexed: EncodedCatalogue) -> None:
    assert found_share(exact, indexed) >= 0.95


@pytest.mark.parametrize("share", [0.5, 0.1, 0.04])
def test_the_index_finds_the_best_movies_that_pass_a_filter(
    exact: EncodedCatalogue, indexed: EncodedCatalogue, share: float
) -> None:
    among = np.random.default_rng(2).random(MOVIES + 1 + ADDED) < share
    assert found_share(exact, indexed, among) >= 0.95


def test_all_movies_that_a_narrow_filter_leaves_are_compared(
    exact: EncodedCatalogue, indexed: EncodedCatalogue
) -> None:
    among = np.zeros(MOVIES + 1 + ADDED, dtype=bool)
    among[100:160] = True
    user = users(1)[0]
    assert [one.movie_id for one in listed(indexed, user, among, n=100)] == [
        one.movie_id for one in listed(exact, user, among, n=100)
    ]


def test_a_filter_that_leaves_less_than_the_best_is_searched_anew(indexed: EncodedCatalogue) -> None:
    user = users(1)[0]
    with torch.inference_mode():
        among = everything()
        among[UserState(indexed, user).order("relevance")] = False
    found = [one.movie_id for one in listed(indexed, user, among)]
    assert len(found) == 10
    assert among[found].all()


def test_no_rated_movie_is_found(indexed: EncodedCatalogue) -> None:
    best = [one.movie_id for one in listed(indexed, users(1)[0])]
    after = UserContext(history=[*users(1)[0].history, *(Rated(movie, 5.0) for movie in best[:5])])
    assert set(best[:5]).isdisjoint(one.movie_id for one in listed(indexed, after, n=100))


def test_a_movie_added_later_is_found_without_a_new_index(exact: EncodedCatalogue, indexed: EncodedCatalogue) -> None:
    user, added = users(1)[0], MOVIES + ADDED
    vectors = exact.require_compared().trained
    popular = vectors.popularity.clone()
    popular[added] = 100
    catalogue = replace(indexed, compared=Segmented(vectors._replace(popularity=popular)))
    assert listed(catalogue, user)[0].movie_id == added


def test_relevance_is_nearly_that_of_comparing_all(exact: EncodedCatalogue, indexed: EncodedCatalogue) -> None:
    for user in users():
        expected = {one.movie_id: one.relevance for one in listed(exact, user, n=100)}
        for one in listed(indexed, user):
            assert one.relevance == pytest.approx(expected[one.movie_id], rel=0.2)


def test_relevance_is_nearly_that_of_comparing_all_with_more_movies_added_than_were_indexed(
    exact: EncodedCatalogue,
) -> None:
    vectors = exact.require_compared()
    few = replace(exact, index=MovieIndex(vectors.take(torch.arange(MOVIES // 4))))
    expected, found = (listed(catalogue, users(1)[0]) for catalogue in (exact, few))
    assert [one.movie_id for one in found] == [one.movie_id for one in expected]
    assert [one.relevance for one in found] == pytest.approx([one.relevance for one in expected], rel=0.2)


def test_pages_behind_the_best_are_those_of_comparing_all(exact: EncodedCatalogue, indexed: EncodedCatalogue) -> None:
    user = users(1)[0]
    assert [one.movie_id for one in listed(indexed, user, offset=BEST)] == [
        one.movie_id for one in listed(exact, user, offset=BEST)
    ]


def test_only_very_many_movies_get_an_index() -> None:
    def with_movies(count: int) -> SeqRec:
        return SeqRec(SMALL.network, torch.zeros(count, 1), torch.zeros(count, 1))

    assert MovieIndex.of(with_movies(INDEXED_ABOVE)) is None
    index = MovieIndex.of(with_movies(INDEXED_ABOVE + 1))
    assert index is not None
    assert index.movies == INDEXED_ABOVE + 1


@pytest.mark.parametrize("share", [1.0, 0.5, 0.04])
def test_pages_of_a_list_join_without_gaps_and_repeats(indexed: EncodedCatalogue, share: float) -> None:
    """Up to `BEST` they come from the index, beyond from comparing all movies."""
    among = np.random.default_rng(3).random(MOVIES + 1 + ADDED) < share
    n, user = 3 * BEST, users(1)[0]

    pages = [one.movie_id for offset in range(0, n, 40) for one in listed(indexed, user, among, 40, offset)]

    assert len(pages) == len(set(pages)) == n
    assert pages == [one.movie_id for one in listed(indexed, user, among, n)]
