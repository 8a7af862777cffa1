import numpy as np
import pytest
import torch
from builders import RATING_ONLY, SMALL, context_for, network, user
from torch import Tensor

from model.baselines.registry import RATING
from model.data.dataset import MovieLens
from model.data.splits import Split
from model.errors import NoRelevanceError
from model.factorization.bias import Bias
from model.features.catalogue import UNKNOWN
from model.network.batch import Users
from model.network.branches import BRANCHES, Branch, MovieTable
from model.network.config import FactorizationConfig, NetworkConfig
from model.network.rating import SeqRec
from model.training.estimator import SeqRecEstimator
from model.training.presets import PRESETS, Preset, preset

PAPER = NetworkConfig()


def test_the_paper_network_has_the_papers_sizes() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in network(PAPER, vocabulary_size=10).state_dict().items()}

    assert shapes["movies.embedding.weight"] == (10, 110)
    assert shapes["branches.history.recurrent.from_intermediate.weight"] == (4 * 111, 111)
    assert [shapes[f"branches.profile.layers.{n}.weight"] for n in (0, 3, 6)] == [(24, 24)] * 3
    assert shapes["branches.movie.layers.0.weight"] == (128, 110 + 18)
    assert shapes["branches.title.layers.0.weight"] == (192, 384)
    assert shapes["first.weight"] == (227, 111 + 24 + 128 + 192)
    assert (shapes["rest.2.weight"], shapes["rest.5.weight"]) == ((227, 227), (1, 227))


def test_splitting_the_first_output_layer_changes_nothing() -> None:
    seqrec = network(PAPER, vocabulary_size=10)
    users, indices = user([1, 2, 3], [5, 3, 4]), torch.tensor([4])
    residuals = users.stars - seqrec.prior.mean
    branches = seqrec.branches
    concatenated = torch.cat(
        [branches[name](users, residuals, seqrec.movies) for name in ("history", "profile")]
        + [branches[name](indices, seqrec.movies) for name in ("movie", "title")],
        dim=-1,
    )

    expected = seqrec.rest(seqrec.first(concatenated)).squeeze(-1) + seqrec.prior.mean

    assert torch.allclose(
        seqrec.score(seqrec.encode_users(users), seqrec.encode_movies(indices)).mean, expected, atol=1e-6
    )


@pytest.mark.parametrize("likelihood", ["normal", "categorical"])
@pytest.mark.parametrize("recurrent", ["mlstm", "lstm", "bag"])
def test_a_user_is_encoded_the_same_alone_and_in_a_batch(recurrent: str, likelihood: str) -> None:
    config = NetworkConfig(recurrent=recurrent, likelihood=likelihood, prior="bias")
    seqrec = network(config, vocabulary_size=10)
    alone = [user([1, 2, 3], [5, 3, 4]), user([], []), user([7], [1])]
    together = Users(
        profiles=torch.cat([one.profiles for one in alone]),
        movies=torch.cat([one.movies for one in alone]),
        stars=torch.cat([one.stars for one in alone]),
        lengths=torch.cat([one.lengths for one in alone]),
    )

    batch = seqrec.encode_users(together)

    for index, one in enumerate(alone):
        encoded = seqrec.encode_users(one)
        assert torch.allclose(batch.hidden[index], encoded.hidden[0], atol=1e-6)
        assert torch.allclose(batch.vectors[index], encoded.vectors[0], atol=1e-6)


def test_the_recurrent_layer_reads_the_latest_ratings_only() -> None:
    seqrec = network(NetworkConfig(history_length=2), vocabulary_size=10)

    long = seqrec.encode_users(user([5, 6, 1, 2], [1, 1, 4, 5]))
    short = seqrec.encode_users(user([1, 2], [4, 5]))

    assert torch.allclose(long.hidden, short.hidden)


def test_stars_and_their_order_in_the_history_matter() -> None:
    seqrec = network(PAPER, vocabulary_size=10)
    histories = [user([1, 2], [5, 1]), user([1, 2], [1, 5]), user([2, 1], [1, 5])]

    hidden = [seqrec.encode_users(history).hidden for history in histories]

    assert not torch.allclose(hidden[0], hidden[1], atol=1e-4)
    assert not torch.allclose(hidden[0], hidden[2], atol=1e-4)


def test_with_outputs_of_zero_the_bias_prior_is_the_bias_model() -> None:
    bias = Bias(3.5, np.array([0, 0.5, -0.5, 1.0], dtype=np.float32))
    seqrec = network(NetworkConfig(prior="bias"), vocabulary_size=4, bias=bias)
    for parameter in seqrec.rest[-1].parameters():
        torch.nn.init.zeros_(parameter)

    stars = seqrec.score(seqrec.encode_users(user([1, 2], [5, 2])), seqrec.encode_movies(torch.tensor([3]))).mean

    own = bias.user(np.array([1, 2]), np.array([5, 2], dtype=np.float32))
    assert stars.tolist() == pytest.approx([3.5 + 1.0 + own])


def test_a_movie_that_was_reset_is_the_unknown_one() -> None:
    seqrec = network(PAPER, vocabulary_size=5)
    seqrec.movies.reset(torch.tensor([False, False, True, False, False]))

    assert torch.equal(seqrec.movies.embed(torch.tensor([2])), seqrec.movies.embed(torch.tensor([0])))
    assert not torch.equal(seqrec.movies.embed(torch.tensor([1])), seqrec.movies.embed(torch.tensor([0])))


class GenreCountBranch(Branch):
    """A new entity: the number of a movie's genres."""

    side = "movie"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:
        super().__init__()
        self.width = 1

    def forward(self, indices: Tensor, movies: MovieTable) -> Tensor:
        return movies.genres[indices].sum(dim=-1, keepdim=True)


def test_a_new_branch_is_one_class_and_one_line(
    monkeypatch: pytest.MonkeyPatch, sample: MovieLens, split: Split
) -> None:
    monkeypatch.setitem(BRANCHES, "genre-count", GenreCountBranch)
    branches = (*RATING_ONLY.network.branches, "genre-count")
    config = RATING_ONLY.network.model_copy(update={"branches": branches, "likelihood": "normal"})
    model = SeqRecEstimator(Preset(name="wider", network=config, training=RATING_ONLY.training), context_for(sample))

    evaluation = RATING.evaluate(model, split, model.context).evaluation

    assert evaluation.n_test == len(split.test.targets)
    assert model.network.first.in_features == 9 + 6 + 12 + 8 + 1


def test_without_a_branch_the_network_is_that_much_narrower() -> None:
    seqrec = network(NetworkConfig(branches=("history", "movie")), vocabulary_size=4)

    assert seqrec.first.in_features == 111 + 128
    assert isinstance(seqrec, SeqRec)


def test_graph_convolution_adds_the_embeddings_of_movies_with_similar_coordinates() -> None:
    # One coordinate, which is 1 for movies 1 and 2, and -1 for movie 3.
    config = PAPER.model_copy(update={"graph_convolution": True, "factorization": FactorizationConfig(coordinates=1)})
    seqrec = network(config, vocabulary_size=4)
    seqrec.movies.graph.copy_(torch.tensor([[0.0], [1.0], [1.0], [-1.0]]))
    own = seqrec.movies.embedding.weight

    smoothed = seqrec.movies.embed(torch.tensor([0, 1, 3]))

    neighbours = (own[1] + own[2] - own[3]) / 4
    assert torch.allclose(smoothed, torch.stack([own[0], own[1] + neighbours, own[3] - neighbours]), atol=1e-6)


def test_a_network_without_ranking_network_refuses_to_rank() -> None:
    with pytest.raises(NoRelevanceError):
        network(RATING_ONLY.network, vocabulary_size=5).require_ranking()


def test_a_movie_that_nobody_rated_is_ranked_by_its_genres_and_title() -> None:
    movies = network(SMALL.network, vocabulary_size=30).require_ranking().members[0].movies
    with torch.no_grad():
        movies.popularity.copy_(torch.arange(60.0).view(30, 2))
    movies.reset(torch.arange(30) == 7)

    encoded = movies()

    assert torch.equal(encoded.popularity[7], encoded.popularity[UNKNOWN])
    title = (movies.titles[7] - movies.title_mean) @ movies.title_axes
    of_content = movies.content.weight @ torch.cat([movies.genres[7], title])
    assert torch.allclose(encoded.vectors[7] - movies.embedding.weight[UNKNOWN], of_content, atol=1e-5)


@pytest.mark.parametrize("titles", [1, 9])
def test_titles_that_are_all_alike_say_nothing_about_a_movie(titles: int) -> None:
    movies = network(SMALL.network, vocabulary_size=10).require_ranking().members[0].movies
    movies.title_axes.zero_()
    movies.titles.zero_()
    movies.titles[1 : 1 + titles] = torch.nn.functional.normalize(torch.randn(384), dim=0)
    movies.fit_titles()

    assert not movies.title_axes.any()
    assert movies().vectors.isfinite().all()


def test_a_step_of_training_has_the_query_of_a_user_with_the_history_before_it() -> None:
    ranking = network(SMALL.network, vocabulary_size=30).require_ranking().members[0]
    movies = ranking.movies()
    rated, stars = [3, 4, 9], [5.0, 1.0, 3.0]
    profile = user([], []).profiles

    steps = ranking(profile, torch.tensor([[*rated, 8]]).T, torch.tensor([[*stars, 0.0]]).T, movies.vectors)

    for step in range(4):
        query = ranking.queries(user(rated[:step], stars[:step]), movies)
        assert torch.allclose(steps[step], query, atol=1e-5)


@pytest.mark.parametrize(("ratings", "first"), [(20, 0), (21, 5), (25, 5), (26, 10), (50, 30)])
def test_only_the_latest_ratings_are_read_for_a_list(ratings: int, first: int) -> None:
    """Of 20 that it reads at most, the window moves on by 5 at once."""
    ranking = network(SMALL.network, vocabulary_size=60).require_ranking().members[0]
    movies = ranking.movies()
    history, stars = list(range(1, ratings + 1)), [1.0 + rating % 5 for rating in range(ratings)]

    whole, window, without_first = (
        ranking.queries(user(history[start:], stars[start:]), movies) for start in (0, first, first + 1)
    )

    assert first == ranking.config.window_start(ratings)
    assert torch.equal(whole, window)
    assert not torch.allclose(whole, without_first)


def test_users_with_histories_of_all_lengths_are_read_together_as_each_alone() -> None:
    ranking = network(SMALL.network, vocabulary_size=60).require_ranking().members[0]
    movies, lengths = ranking.movies(), [0, 3, 20, 21, 24, 25, 26, 50]
    histories = [(list(range(1, length + 1)), [1.0 + rating % 5 for rating in range(length)]) for length in lengths]
    alone = [user(*history) for history in histories]

    together = ranking.queries(Users(*(torch.cat(parts) for parts in zip(*alone, strict=True))), movies)

    for query, one in zip(together, alone, strict=True):
        assert torch.allclose(query, ranking.queries(one, movies)[0], atol=1e-5)


def test_another_recurrent_layer_changes_nothing_else_of_a_preset() -> None:
    other = preset("seqrec", "lstm")

    assert (other.name, other.network.recurrent) == ("seqrec+lstm", "lstm")
    assert other.ranking_training == PRESETS["seqrec"].ranking_training
    assert other.network.ranking == PRESETS["seqrec"].network.ranking
