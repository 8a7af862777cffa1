"""Users are encoded by NumPy; the network itself says what it has to be."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import SMALL, SMALL_NETWORK, network, user

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.features.catalogue import Vocabulary
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.artifact import Artifact, load
from model.inference.cold_start import MOVIE_DIMENSIONS, ColdStartMovie, carried_over, network_of
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.encoding.posterior import PosteriorEncoder
from model.inference.encoding.recurrence import Recurrence, Trace
from model.inference.encoding.users import ReadHistory, UserEncoder, without_each
from model.inference.ranking import UserRanking
from model.inference.results import HORIZON, RANKING_DECIMALS, RankBy
from model.inference.user_state import UserState
from model.network.batch import Users
from model.network.config import FactorizationConfig, NetworkConfig
from model.network.prior import FactorizationPrior
from model.network.ranking import HORIZONS
from model.network.rating import EncodedUsers, SeqRec
from model.network.recurrent import MultiplicativeLSTM
from model.training.presets import PRESETS
from model.types import FloatArray, IntArray

FACTORIZED = SMALL.network.model_copy(
    update={
        "prior": "factorization",
        "factorization": FactorizationConfig(factors=4, coordinates=6, sweeps=9, burn_in=6, keep_every=1),
    }
)
assert FACTORIZED.ranking is not None
ENSEMBLE = FACTORIZED.model_copy(update={"ranking": FACTORIZED.ranking.model_copy(update={"members": 2})})
MIXED = FACTORIZED.factorization.model_copy(update={"further_coordinates": (2,)})
DRIFTING = FACTORIZED.model_copy(update={"drift": True, "factorization": MIXED})
of_every_kind = pytest.mark.parametrize(
    "config", [FACTORIZED, SMALL.network, ENSEMBLE, DRIFTING], ids=["factorization", "bias", "ensemble", "drift"]
)
with_one_and_two_members = pytest.mark.parametrize("config", [FACTORIZED, ENSEMBLE], ids=["one", "ensemble"])
MOVIES = 150
LENGTHS = [0, 1, 2, 19, 20, 21, 22, 60]
"""The networks read the latest 20."""


class TrainingNetwork(UserEncoder):
    """Encodes every user by the network that training uses."""

    def __init__(self, catalogue: EncodedCatalogue) -> None:
        self.network = catalogue.network
        self.vectors = None if catalogue.vectors is None else catalogue.vectors.trained

    def encode(self, users: Users, _: torch.Tensor | None = None) -> EncodedUsers:
        return self.network.encode_users(users)

    def encode_without_each(self, user: Users, left_out: IntArray) -> tuple[torch.Tensor, EncodedUsers]:
        return self.encode(user).vectors, self.encode(without_each(user, left_out))

    def queries(self, users: Users) -> torch.Tensor:
        assert self.vectors is not None
        return self.network.require_ranking().queries(users, self.vectors)

    def read_on(self, user: Users, _: ReadHistory | None) -> tuple[torch.Tensor, None]:
        return self.queries(user), None

    def queries_without_each(self, user: Users, left_out: IntArray) -> torch.Tensor:
        assert self.vectors is not None
        return self.network.require_ranking().queries_without_each(user, self.vectors, left_out)

    def read_without_each(self, user: Users, left_out: IntArray) -> tuple[torch.Tensor, None, torch.Tensor]:
        return self.queries(user), None, self.queries_without_each(user, left_out)

    def vectors_without_each(self, user: Users, left_out: IntArray) -> tuple[torch.Tensor, torch.Tensor]:
        whole, without = self.encode_without_each(user, left_out)
        return whole, without.vectors


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def with_random_prior(seqrec: SeqRec) -> SeqRec:
    """The same network with values in its factorization, of the sizes that a fit gives."""
    prior = seqrec.prior
    assert isinstance(prior, FactorizationPrior)
    torch.manual_seed(1)
    prior.mean.fill_(3.6)
    prior.noise_precision.uniform_(1.0, 1.6)
    prior.movies.normal_(std=0.3)
    prior.user_mean.normal_(std=0.1)
    prior.user_weights.normal_(std=0.1)
    roots = torch.randn_like(prior.user_precision) / 2
    prior.user_precision.copy_(roots @ roots.mT + 4 * torch.eye(roots.shape[-1]))
    prior.profile.uniform_(0, 1)
    prior.coordinates.normal_()
    prior.rating_distributions.normal_(std=0.3)
    return seqrec


def encoded_catalogue(config: NetworkConfig, movies: int) -> EncodedCatalogue:
    """Of a network with random weights; a movie's id is its index."""
    seqrec = network(config, movies + 1)
    if config.prior == "factorization":
        with_random_prior(seqrec)
    return EncodedCatalogue.of(seqrec, Vocabulary(range(1, movies + 1)))


def trained(catalogue: EncodedCatalogue) -> EncodedCatalogue:
    return replace(catalogue, encoder=TrainingNetwork(catalogue))


def generated_users(count: int, ids: list[int]) -> list[UserContext]:
    """With and without profile; the lengths of the histories are all of `LENGTHS`."""
    random = np.random.default_rng(0)
    return [
        UserContext(
            Profile("F", 25, 4) if number % 3 else Profile(),
            [
                Rated(int(movie_id), float(stars))
                for movie_id, stars in zip(
                    random.permutation(ids)[: LENGTHS[number % len(LENGTHS)]], random.integers(1, 6, 100), strict=False
                )
            ],
        )
        for number in range(count)
    ]


def assert_same_scores(catalogue: EncodedCatalogue, context: UserContext) -> int:
    """Every score within 1e-4. Counts the orders, by relevance and by rating, whose first ten are the same."""
    ours, theirs = UserState(catalogue, context), UserState(trained(catalogue), context)
    same = 0
    rank_by: RankBy
    for rank_by in ("rating", "relevance"):
        everything = np.arange(len(catalogue.vocabulary))
        own, expected = ours.scores(rank_by, everything), theirs.scores(rank_by, everything)
        np.testing.assert_allclose(own, expected, atol=1e-4)
        candidates = np.setdiff1d(np.arange(1, len(own)), ours.rated)
        same += np.array_equal(first_ten(own[candidates]), first_ten(expected[candidates]))
    return same


def assert_same_users(own: EncodedUsers, expected: EncodedUsers) -> None:
    """In all that users are encoded by."""
    for ours, theirs in zip(own.tensors, expected.tensors, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def first_ten(scores: FloatArray) -> IntArray:
    return np.argsort(-np.round(scores, RANKING_DECIMALS), kind="stable")[:10]


@pytest.mark.parametrize("steps", [0, 1, 2, 50])
def test_all_states_of_the_recurrence_are_those_of_the_layer(steps: int) -> None:
    torch.manual_seed(0)
    layer = MultiplicativeLSTM(7, 12)
    recurrence, inputs = Recurrence(layer), torch.randn(steps, 7)

    trace = recurrence.read(recurrence.project(inputs.numpy()))

    np.testing.assert_allclose(trace.states[1:], layer(inputs.unsqueeze(1))[:, 0], atol=1e-5)
    state = layer.start(1)
    for step, row in enumerate(inputs):
        np.testing.assert_allclose(trace.cells[step], state[1][0], atol=1e-5)
        state = layer.advance(row.unsqueeze(0), state)


def test_histories_that_are_read_together_come_to_what_the_layer_comes_to_for_each() -> None:
    torch.manual_seed(0)
    layer, lengths = MultiplicativeLSTM(7, 12), [3, 0, 8, 1, 8, 5]
    inputs = torch.randn(max(lengths), len(lengths), 7)

    read = Recurrence(layer).read_together(inputs.numpy(), np.array(lengths))

    for column, steps in enumerate(lengths):
        states = layer(inputs[:steps, [column]])[:, 0]
        expected = states if steps else torch.zeros(1, 12)
        np.testing.assert_allclose(read.last[column], expected[-1], atol=1e-5)
        np.testing.assert_allclose(read.mean[column], expected.mean(0), atol=1e-5)


@of_every_kind
def test_a_batch_of_users_is_encoded_as_by_the_network(config: NetworkConfig) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    assert catalogue.vectors is not None
    batch = catalogue.batch(generated_users(20, list(range(1, MOVIES + 1))))

    encoded, expected = catalogue.encoder.encode(batch), catalogue.network.encode_users(batch)

    np.testing.assert_allclose(encoded.hidden, expected.hidden, atol=1e-5)
    np.testing.assert_allclose(encoded.vectors, expected.vectors, atol=1e-5)
    of_network = catalogue.network.require_ranking().queries(batch, catalogue.vectors.trained)
    np.testing.assert_allclose(catalogue.encoder.queries(batch), of_network, atol=1e-5)


@of_every_kind
def test_every_score_of_200_users_is_that_of_the_network(config: NetworkConfig) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    same = [assert_same_scores(catalogue, context) for context in generated_users(200, list(range(1, MOVIES + 1)))]

    assert sum(same) >= 0.995 * 2 * 200  # scores that are equal but for rounding may swap


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("ratings", LENGTHS[1:])
@pytest.mark.parametrize("config", [FACTORIZED, SMALL.network, DRIFTING], ids=["factorization", "bias", "drift"])
def test_without_each_rating_a_user_is_encoded_as_one_who_never_gave_it(
    config: NetworkConfig, ratings: int, every: int
) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    movies, stars = list(range(1, ratings + 1)), [1.0 + step % 5 for step in range(ratings)]
    left_out = np.arange(max(ratings - 50, 0), ratings, every)

    vectors, encoded = catalogue.encoder.encode_without_each(user(movies, stars), left_out)

    assert_same_users(
        catalogue.encoder.encode(user(movies, stars), vectors), catalogue.network.encode_users(user(movies, stars))
    )
    for row, step in enumerate(left_out.tolist()):
        without = user(movies[:step] + movies[step + 1 :], stars[:step] + stars[step + 1 :])
        assert_same_users(encoded.take(slice(row, row + 1)), catalogue.network.encode_users(without))


@with_one_and_two_members
def test_a_history_that_goes_on_is_read_on_and_the_numbers_are_those_of_one_read_anew(
    config: NetworkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    steps: list[int] = []
    read = Recurrence.read
    ranking = catalogue.network.require_ranking()

    def counted(self: Recurrence, projected: FloatArray, *start: tuple[FloatArray, FloatArray]) -> Trace:
        if self.hidden == ranking.config.hidden:
            steps.append(len(projected))
        return read(self, projected, *start)

    monkeypatch.setattr(Recurrence, "read", counted)
    history = [Rated(movie, 1.0 + movie % 5) for movie in range(1, 41)]
    state = UserState(catalogue, UserContext(history=history[:3]))
    for ratings in range(3, 41):
        state = UserState(catalogue, UserContext(history=history[:ratings]), state)
        assert catalogue.vectors is not None
        vectors = partial(catalogue.network.prior.encode_users, state.user)
        anew = catalogue.network.compared_queries(ranking.queries(state.user, catalogue.vectors.trained), vectors)
        np.testing.assert_allclose(state.queries, anew, atol=1e-5)

    # The window of at most 20 ratings begins at the first one up to 20 of them, then at the 5th, the 10th, ...
    moves = {21, 26, 31, 36}
    read_by_each = [3] + [16 if ratings in moves else 1 for ratings in range(4, 41)]
    assert steps == [count for count in read_by_each for _ in ranking.members]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param([Rated(1, 5.0), Rated(2, 3.0), Rated(4, 4.0)], id="another-last-one"),
        pytest.param([Rated(2, 3.0), Rated(3, 4.0)], id="the-first-one-removed"),
        pytest.param([Rated(1, 1.0), Rated(2, 3.0), Rated(3, 4.0), Rated(4, 4.0)], id="other-stars"),
        pytest.param([], id="all-removed"),
    ],
)
def test_a_history_that_changed_before_its_end_is_read_anew(changed: list[Rated]) -> None:
    catalogue = encoded_catalogue(FACTORIZED, MOVIES)
    before = UserState(catalogue, UserContext(history=[Rated(1, 5.0), Rated(2, 3.0), Rated(3, 4.0)]))
    assert before.queries is not None

    after = UserState(catalogue, UserContext(history=changed), before)

    np.testing.assert_array_equal(after.queries, UserState(catalogue, UserContext(history=changed)).queries)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("ratings", LENGTHS[1:])
@with_one_and_two_members
def test_without_each_rating_the_queries_are_those_of_a_history_without_it(
    config: NetworkConfig, ratings: int, every: int
) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    assert catalogue.vectors is not None
    movies, stars = list(range(1, ratings + 1)), [1.0 + step % 5 for step in range(ratings)]
    left_out = np.arange(catalogue.network.require_ranking().config.window_start(ratings), ratings, every)

    queries = catalogue.encoder.queries_without_each(user(movies, stars), left_out)
    whole, read, others = catalogue.encoder.read_without_each(user(movies, stars), left_out)

    of_all, read_alone = catalogue.encoder.read_on(user(movies, stars), None)
    np.testing.assert_array_equal(whole, of_all)
    assert read is not None
    assert read_alone is not None
    assert read[:2] == read_alone[:2]
    np.testing.assert_array_equal(others, queries)
    for query, step in zip(queries, left_out.tolist(), strict=True):
        without = user(movies[:step] + movies[step + 1 :], stars[:step] + stars[step + 1 :])
        expected = catalogue.network.require_ranking().queries(without, catalogue.vectors.trained)[0]
        np.testing.assert_allclose(query, expected, atol=1e-5)


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_reasons_are_those_of_the_network(rank_by: RankBy) -> None:
    catalogue = encoded_catalogue(FACTORIZED, MOVIES)
    for context in generated_users(16, list(range(1, MOVIES + 1))):
        ours, theirs = (
            UserRanking(UserState(one, context), rank_by).best(np.ones(MOVIES + 1, dtype=bool), 10, explain=True)
            for one in (catalogue, trained(catalogue))
        )
        for own, expected in zip(ours, theirs, strict=True):
            assert own.reasons is not None
            assert expected.reasons is not None
            assert [reason.contribution for reason in own.reasons] == pytest.approx(
                [reason.contribution for reason in expected.reasons], abs=2e-4
            )


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_a_list_and_its_reasons_take_one_reading_of_the_history(
    rank_by: RankBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = encoded_catalogue(FACTORIZED, MOVIES)
    ranking = catalogue.network.require_ranking().config.hidden
    reads: list[str] = []
    evidence, read = PosteriorEncoder._evidence, Recurrence.read

    def counted_evidence(self: PosteriorEncoder, movies: IntArray, stars: FloatArray) -> object:
        reads.append("evidence")
        return evidence(self, movies, stars)

    def counted_read(self: Recurrence, projected: FloatArray, *start: tuple[FloatArray, FloatArray]) -> Trace:
        reads.extend(["ranking"] if self.hidden == ranking else [])
        return read(self, projected, *start)

    monkeypatch.setattr(PosteriorEncoder, "_evidence", counted_evidence)
    monkeypatch.setattr(Recurrence, "read", counted_read)
    state = UserState(catalogue, UserContext(history=[Rated(movie, 1.0 + movie % 5) for movie in range(1, 31)]))

    movies = UserRanking(state, rank_by).best(np.ones(MOVIES + 1, dtype=bool), 10, explain=True)

    assert any(movie.reasons for movie in movies)
    assert sorted(reads) == ["evidence", "ranking"]


def with_movies_added(artifact: Artifact) -> tuple[EncodedCatalogue, EncodedCatalogue]:
    """A catalogue with two movies behind the trained ones, and that of a network which holds all of them."""
    old, titles = artifact.catalogue, artifact.network.movies.titles.numpy()
    untitled, random = np.zeros(titles.shape[1], np.float32), np.random.default_rng(0)
    new = [
        ColdStartMovie(max(old.movie_ids) + 1, "New (2026)", ("Drama", "Never seen in training"), None),
        ColdStartMovie(max(old.movie_ids) + 2, "Newer", (), random.standard_normal(len(untitled), np.float32)),
    ]
    catalogue = replace(
        old,
        movie_ids=old.movie_ids + tuple(movie.movie_id for movie in new),
        titles=old.titles + tuple(movie.title for movie in new),
        genres=(*old.genres, ("Drama",), ()),
    )
    vectors = [untitled if movie.title_vector is None else movie.title_vector for movie in new]
    whole = carried_over(artifact, catalogue, np.vstack([titles, *vectors]))
    assert whole is not None
    alone = EncodedCatalogue.of(artifact.network, old.vocabulary)
    added = alone.followed_by([movie.movie_id for movie in new], network_of(artifact, new))
    return added, EncodedCatalogue.of(whole.eval(), catalogue.vocabulary)


def test_movies_that_are_added_are_known_as_to_a_network_that_holds_all_of_them(artifact_folder: Path) -> None:
    added, whole = with_movies_added(load(artifact_folder))
    indices = torch.arange(len(whole.vocabulary))

    assert added.vocabulary.ids == whole.vocabulary.ids
    assert added.ids.tolist() == whole.ids.tolist()
    for ours, theirs in zip(movie_values(added, indices), movie_values(whole, indices), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for index in (1, len(whole.vocabulary) - 1):
        np.testing.assert_allclose(added.similarity(index), whole.similarity(index), atol=1e-6)
    np.testing.assert_allclose(added.categories.shares, whole.categories.shares)
    np.testing.assert_allclose(added.categories.average, whole.categories.average)


def movie_values(catalogue: EncodedCatalogue, indices: torch.Tensor) -> tuple[torch.Tensor, ...]:
    movies = catalogue.require_stars().take(indices)
    return movies.hidden, *movies.prior, *catalogue.require_compared().take(indices)


def test_nothing_of_the_trained_movies_is_copied_for_one_that_is_added(artifact_folder: Path) -> None:
    artifact = load(artifact_folder)
    trained = EncodedCatalogue.of(artifact.network, artifact.catalogue.vocabulary)
    new = ColdStartMovie(900, "New (2026)", ("Drama",), None)

    small = network_of(artifact, [new])
    added = trained.followed_by([900], small)

    assert trained.movies is not None
    assert added.require_stars().segments[0] is trained.movies.trained
    assert added.require_compared().segments[0] is trained.require_compared().trained
    weights = dict(artifact.network.named_parameters())
    shared = [name for name, weight in small.named_parameters() if weight.data_ptr() == weights[name].data_ptr()]
    assert set(weights) - set(shared) == {name for name in weights if name in MOVIE_DIMENSIONS}


@pytest.mark.parametrize("recurrent", ["mlstm", "lstm"], ids=["by NumPy", "by the network"])
def test_lists_and_histories_with_movies_that_were_added_are_those_of_a_network_that_holds_all_of_them(
    artifact_folder: Path, recurrent: str
) -> None:
    artifact = load(artifact_folder)
    config = artifact.network.config.model_copy(update={"recurrent": recurrent})
    torch.manual_seed(0)
    seqrec = SeqRec(config, torch.from_numpy(artifact.catalogue.genre_matrix), artifact.network.movies.titles)
    added, whole = with_movies_added(replace(artifact, network=with_random_prior(seqrec).eval()))
    new = added.vocabulary.ids[-2:]

    for context in generated_users(8, list(added.vocabulary.ids)):
        with_them = [Rated(new[0], 2.0), *context.history[:3], Rated(new[1], 5.0)]
        distinct = {entry.movie_id: entry for entry in with_them}
        reader = UserContext(context.profile, list(distinct.values()))
        ours, theirs = UserState(added, reader), UserState(trained(whole), reader)
        everything = np.arange(len(added.vocabulary))
        for horizon in HORIZONS:
            own, others = (state.log_relevance_of(everything, horizon) for state in (ours, theirs))
            assert own is not None
            assert others is not None
            np.testing.assert_allclose(own, others, atol=1e-5)
        np.testing.assert_allclose(ours.stars(everything), theirs.stars(everything), atol=1e-5)
        np.testing.assert_allclose(added.user_embeddings([reader]), whole.user_embeddings([reader]), atol=1e-5)
        for rank_by in HORIZON:
            listed, expected = (
                UserRanking(state, rank_by).best(np.ones(len(everything), dtype=bool), 20, explain=True)
                for state in (ours, theirs)
            )
            assert [one.movie_id for one in listed] == [one.movie_id for one in expected]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(FACTORIZED.model_copy(update={"recurrent": "lstm"}), id="lstm"),
        pytest.param(FACTORIZED.model_copy(update={"recurrent": "bag"}), id="bag"),
        pytest.param(FACTORIZED.model_copy(update={"likelihood": "normal"}), id="normal"),
        pytest.param(FACTORIZED.model_copy(update={"branches": ("profile", "movie")}), id="no-history"),
        pytest.param(FACTORIZED.model_copy(update={"graph_convolution": True}), id="graph"),
        pytest.param(SMALL.network.model_copy(update={"prior": "mean"}), id="mean"),
    ],
)
def test_networks_of_every_kind_encode_as_in_training(config: NetworkConfig) -> None:
    catalogue = encoded_catalogue(config, MOVIES)
    for context in generated_users(8, list(range(1, MOVIES + 1))):
        assert_same_scores(catalogue, context)


def test_several_users_are_encoded_as_each_alone() -> None:
    catalogue = encoded_catalogue(FACTORIZED, MOVIES)
    contexts = generated_users(8, list(range(1, MOVIES + 1)))

    together = catalogue.encoder.encode(catalogue.batch(contexts))
    queries = catalogue.encoder.queries(catalogue.batch(contexts))

    for number, context in enumerate(contexts):
        alone = catalogue.batch([context])
        np.testing.assert_allclose(together.hidden[number], catalogue.encoder.encode(alone).hidden[0], atol=1e-5)
        np.testing.assert_allclose(queries[number], catalogue.encoder.queries(alone)[0], atol=1e-5)


def test_a_network_that_predicts_stars_alone_has_an_encoder_too() -> None:
    seqrec = network(SMALL_NETWORK, MOVIES + 1)
    encoder = UserEncoder(seqrec, seqrec.encode_movies(torch.arange(MOVIES + 1)), None)
    one = user([3, 5], [4.0, 2.0])

    np.testing.assert_allclose(encoder.encode(one).hidden, seqrec.encode_users(one).hidden, atol=1e-5)


@pytest.mark.slow
def test_every_score_of_500_users_of_the_data_is_that_of_the_network(large: MovieLens) -> None:
    sequences = Sequences.of(large)
    catalogue = encoded_catalogue(PRESETS["seqrec"].network, len(large.catalogue.movie_ids))
    same = []
    for start, end in list(pairwise(sequences.offsets.tolist()))[:500]:
        history = [
            Rated(movie, stars)
            for movie, stars in zip(
                sequences.movies[start:end].tolist(), sequences.stars[start:end].tolist(), strict=True
            )
        ]
        same.append(assert_same_scores(catalogue, UserContext(Profile("M", 35, 7), history)))

    assert sum(same) >= 0.995 * 2 * len(same)
