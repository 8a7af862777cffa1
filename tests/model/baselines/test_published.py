from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import context_for

from model.baselines.bert_titles import bert_title_vectors
from model.baselines.bst import Bst, BstConfig, latest
from model.baselines.feed_forward import FeedForward, FeedForwardConfig
from model.baselines.gc_mc import Edges, GcMc, GcMcConfig, GcMcNetwork
from model.baselines.glocal_k import GLocalK, GLocalKConfig, KernelLayer, KnownMatrix
from model.baselines.known_ratings import KnownRatings
from model.baselines.registry import PUBLISHED_MODELS, RATING
from model.baselines.simple import MovieMean
from model.baselines.sparse_pairs import Pairs
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split, paper_split, random_split
from model.errors import CheckpointError, TitleModelError
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import rmse
from model.features.catalogue import Catalogue
from model.network.config import TrainingConfig
from model.training.context import TrainingContext
from model.training.trainer import Progress
from model.user_batches import history_batch

SMALL_GLOCAL_K = GLocalKConfig(
    hidden=20, weight_penalty=2.0, kernel_penalty=0.01, iterations=(20, 10), rounds=(3, 3), patience=2
)
SMALL_GC_MC = GcMcConfig(hidden=40, dense=16, dropout=0.3, epochs=120, round_epochs=40, averaging=0.9)
SMALL_TRAINING = TrainingConfig(epochs=25, patience=25, users_per_step=16, samples_per_user=16, learning_rate=3e-3)
SMALL_BST = BstConfig(window=6, width=16, heads=2, layers=(32, 16))
SMALL_FEED_FORWARD = FeedForwardConfig(embedding=8, title=8, layers=(16, 16, 8), dropout=0.1)

SMALL_BASELINES: dict[str, Callable[[TrainingContext], RatingModel]] = {
    "glocal-k": lambda context: GLocalK(context, SMALL_GLOCAL_K),
    "gc-mc": lambda context: GcMc(context, SMALL_GC_MC),
    "bst": lambda context: Bst(context, SMALL_BST, SMALL_TRAINING),
    "mlp3": lambda context: FeedForward("mlp3", context, None, SMALL_FEED_FORWARD, SMALL_TRAINING),
    "ffnn-bert": lambda context: FeedForward(
        "ffnn-bert", context, context.bert_titles, SMALL_FEED_FORWARD, SMALL_TRAINING
    ),
}
READ_RATINGS = ("glocal-k", "gc-mc", "bst")
"""The baselines that can know a taste from a user's ratings."""

MOVIES = 20


def tastes(*, shuffled: bool = False) -> Sequences:
    """200 users love either the even movies or the odd ones and hate the others; only a gender gives them away besides.

    With ``shuffled``, the stars are dealt out again at random: there is nothing to learn.
    """
    random = np.random.default_rng(0)
    users = 200
    movies = np.concatenate([random.permutation(np.arange(1, MOVIES + 1)) for _ in range(users)])
    taste = random.integers(2, size=users)
    stars = np.where(movies % 2 == np.repeat(taste, MOVIES), 5.0, 1.0).astype(np.float32)
    profiles = np.zeros((users, 24), dtype=np.float32)
    profiles[np.arange(users), taste] = 1.0
    return Sequences(
        user_ids=random.permutation(np.arange(1, users + 1)),
        profiles=profiles,
        movies=movies,
        stars=random.permutation(stars) if shuffled else stars,
        offsets=np.arange(0, MOVIES * users + 1, MOVIES),
    )


def without_profiles(sequences: Sequences) -> Sequences:
    return replace(sequences, profiles=np.zeros_like(sequences.profiles))


@pytest.fixture(scope="module")
def small_context() -> TrainingContext:
    numbers = range(1, MOVIES + 1)
    catalogue = Catalogue(tuple(numbers), tuple(f"Movie {n}" for n in numbers), (("Drama",),) * MOVIES, ("Drama",))
    titles = np.zeros((MOVIES + 1, 4), dtype=np.float32)
    return TrainingContext(catalogue, titles=lambda: titles, bert_titles=lambda: titles, device=torch.device("cpu"))


def error(model: RatingModel, split: Split) -> float:
    """Test error after fitting."""
    model.fit(split)
    return rmse(model.predict(split.test).stars, split.test.target_stars)


@pytest.mark.parametrize("name", READ_RATINGS)
def test_a_baseline_that_reads_ratings_beats_the_movies_mean(name: str, small_context: TrainingContext) -> None:
    split = paper_split(without_profiles(tastes()))

    assert error(SMALL_BASELINES[name](small_context), split) < 0.4 * error(MovieMean(MOVIES + 1), split)


@pytest.mark.parametrize("name", ["mlp3", "ffnn-bert"])
def test_a_baseline_without_history_beats_the_movies_mean_by_the_profile_alone(
    name: str, small_context: TrainingContext
) -> None:
    split, blind = paper_split(tastes()), paper_split(without_profiles(tastes()))
    mean = error(MovieMean(MOVIES + 1), split)

    assert error(SMALL_BASELINES[name](small_context), split) < 0.4 * mean
    assert error(SMALL_BASELINES[name](small_context), blind) > 0.95 * mean


@pytest.mark.parametrize("name", READ_RATINGS)
def test_a_baseline_learns_nothing_from_shuffled_ratings(name: str, small_context: TrainingContext) -> None:
    assert error(SMALL_BASELINES[name](small_context), paper_split(tastes(shuffled=True))) > 1.85


@pytest.fixture(scope="module")
def fitted(sample: MovieLens) -> dict[str, RatingModel]:
    """Every published network, fitted to the generated sample on a random split."""
    models = {name: make(context_for(sample)) for name, make in SMALL_BASELINES.items()}
    for model in models.values():
        model.fit(random_split(Sequences.of(sample)))
    return models


@pytest.mark.parametrize("name", SMALL_BASELINES)
def test_predictions_are_in_the_order_of_the_examples(
    name: str, sample: MovieLens, fitted: dict[str, RatingModel]
) -> None:
    examples = random_split(Sequences.of(sample)).test
    order = np.random.default_rng(0).permutation(len(examples))
    shuffled = Examples(examples.sequences.take(order), examples.history_lengths[order])

    straight, mixed = (fitted[name].predict(each).stars for each in (examples, shuffled))

    parts = np.split(straight, np.cumsum(examples.target_counts)[:-1])
    assert np.concatenate([parts[user] for user in order]) == pytest.approx(mixed, abs=1e-4)


@pytest.mark.parametrize("name", SMALL_BASELINES)
def test_the_stars_of_test_targets_are_never_read(name: str, small_context: TrainingContext) -> None:
    split = paper_split(tastes())
    changed = split.test.sequences.stars.copy()
    changed[split.test.targets] = 6 - changed[split.test.targets]
    altered = Examples(replace(split.test.sequences, stars=changed), split.test.history_lengths)
    predictions = []
    for test in (split.test, altered):
        model = SMALL_BASELINES[name](small_context)
        model.fit(replace(split, test=test))
        predictions.append(model.predict(test).stars)

    first, second = predictions
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", SMALL_BASELINES)
def test_a_resumed_run_ends_exactly_where_an_uninterrupted_one_does(
    name: str, sample: MovieLens, tmp_path: Path
) -> None:
    split = paper_split(Sequences.of(sample))
    whole = SMALL_BASELINES[name](context_for(sample))
    whole.fit(split)

    def interrupt(progress: Progress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SMALL_BASELINES[name](replace(context_for(sample, tmp_path), on_progress=interrupt)).fit(split)
    steps: list[Progress] = []
    resumed = SMALL_BASELINES[name](replace(context_for(sample, tmp_path, resume=True), on_progress=steps.append))
    resumed.fit(split)

    assert steps[0].epoch == 3
    assert [epoch.validation_rmse for epoch in resumed.epochs] == [epoch.validation_rmse for epoch in whole.epochs]
    assert np.array_equal(resumed.predict(split.test).stars, whole.predict(split.test).stars)


@pytest.mark.parametrize("name", ["bst", "mlp3", "ffnn-bert"])
def test_no_run_takes_up_the_checkpoint_of_one_with_other_genres(name: str, sample: MovieLens, tmp_path: Path) -> None:
    split, context = paper_split(Sequences.of(sample)), context_for(sample, tmp_path, resume=True)
    movies = sample.catalogue
    others = replace(movies, genres=(movies.genres[-1], *movies.genres[:-1]))
    for catalogue in (movies, others):
        SMALL_BASELINES[name](replace(context, catalogue=catalogue)).fit(split)

    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_checkpoint_of_a_baseline_is_refused(sample: MovieLens, tmp_path: Path) -> None:
    split = paper_split(Sequences.of(sample))
    SMALL_BASELINES["gc-mc"](context_for(sample, tmp_path)).fit(split)
    (checkpoint,) = tmp_path.iterdir()
    checkpoint.write_bytes(b"not a checkpoint")

    with pytest.raises(CheckpointError, match="cannot be read"):
        SMALL_BASELINES["gc-mc"](context_for(sample, tmp_path, resume=True)).fit(split)


def test_every_published_network_says_truly_whether_it_is_inductive(sample: MovieLens) -> None:
    inductive = {name: RATING.build(name, context_for(sample)).inductive for name in PUBLISHED_MODELS}

    assert inductive == {"mlp3": True, "ffnn-bert": True, "bst": True, "glocal-k": False, "gc-mc": False}


def test_gc_mc_gives_probabilities_whose_mean_is_the_prediction(
    sample: MovieLens, fitted: dict[str, RatingModel]
) -> None:
    predicted = fitted["gc-mc"].predict(random_split(Sequences.of(sample)).test)

    assert predicted.probabilities is not None
    assert predicted.probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert predicted.probabilities @ np.arange(1, 6) == pytest.approx(predicted.stars, abs=1e-4)


# Equations, by hand.

TWO_BY_THREE = Pairs.of(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1]), (2, 3))
"""Element (0, 0), (0, 2) and (1, 1) of a matrix of 2 x 3."""


def test_sparse_sums_and_their_gradient_are_those_of_the_dense_matrix() -> None:
    table = torch.tensor([[1.0], [10.0], [100.0]], requires_grad=True)

    sums = TWO_BY_THREE.sums(torch.tensor([2.0, 3.0, 4.0]), table)
    (sums * torch.tensor([[1.0], [5.0]])).sum().backward()

    assert sums.tolist() == [[2 * 1 + 3 * 100], [4 * 10]]
    assert table.grad is not None
    assert table.grad.tolist() == [[2], [4 * 5], [3]]


def test_products_of_pairs_and_their_gradients_are_those_of_the_dense_matrix() -> None:
    left = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    right = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)

    dots = TWO_BY_THREE.dots(left, right)
    (dots * torch.tensor([1.0, 10.0, 100.0])).sum().backward()

    assert dots.tolist() == [1, 3, 4]
    assert left.grad is not None
    assert right.grad is not None
    assert left.grad.tolist() == [[1 + 10, 10], [0, 100]]
    assert right.grad.tolist() == [[1, 2], [300, 400], [10, 20]]


def test_the_local_kernel_falls_with_the_squared_distance_and_is_never_negative() -> None:
    layer = KernelLayer(2, 2, width=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 2.0], [2.0, 4.0]]))
        layer.input_coordinates.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        layer.output_coordinates.copy_(torch.tensor([[0.6, 0.0], [0.0, 1.5]]))

    weight, penalty = layer.weight_and_penalty(GLocalKConfig(weight_penalty=10, kernel_penalty=100))

    # 1 - 0.36, 1 - 2.25 -> 0; 1 - 0.16, 1 - 3.25 -> 0
    assert layer.kernel().flatten().tolist() == pytest.approx([0.64, 0, 0.84, 0], abs=1e-6)
    assert weight.flatten().tolist() == pytest.approx([1.28, 0, 1.68, 0], abs=1e-6)
    assert penalty.item() == pytest.approx((10 * (4 + 4 + 4 + 16) + 100 * (0.64**2 + 0.84**2)) / 2)


def test_the_global_kernel_is_convolved_as_a_dense_matrix_would_be() -> None:
    matrix = KnownMatrix(TWO_BY_THREE, torch.tensor([5.0, 3.0, 1.0]))
    kernel = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    dense = torch.tensor([[5.0, 0.0, 3.0], [0.0, 1.0, 0.0]])

    expected = torch.nn.functional.conv2d(dense[None, None], kernel[None, None], padding=1).relu()

    assert torch.allclose(matrix.convolved(kernel), expected[0, 0], atol=1e-6)


def test_a_graph_convolution_sums_ordinal_messages_over_the_root_of_both_degrees() -> None:
    # Receiver 0 has rated movie 0 with 1 star and movie 1 with 3; receiver 1 has rated movie 1 with 2.
    edges = Edges.of((torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])), torch.tensor([0, 2, 1]), (2, 2))
    weights = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [0.0, 0.0], [0.0, 0.0]]).unsqueeze(2)

    received = edges.receive(weights).flatten().tolist()

    first = 1 / np.sqrt(2 * 1) + (10 + 20 + 30) / np.sqrt(2 * 2)
    assert received == pytest.approx([first, (10 + 20) / np.sqrt(1 * 2)])


def test_a_dropped_node_sends_nothing_and_the_others_send_the_same() -> None:
    edges = Edges.of((torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])), torch.tensor([0, 2, 1]), (2, 2))
    weights = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [0.0, 0.0], [0.0, 0.0]]).unsqueeze(2)
    sending = torch.tensor([False, True])
    sent = weights[:, sending].clone().requires_grad_()

    received = edges.only_from(sending).receive(sent)
    received.sum().backward()

    assert received.flatten().tolist() == pytest.approx([60 / 2, 30 / np.sqrt(2)])
    one, both = 1 / 2, 1 / 2 + 1 / np.sqrt(2)
    assert sent.grad is not None
    assert sent.grad.flatten().tolist() == pytest.approx([both, both, one, 0, 0])


def test_the_decoder_mixes_its_bases_for_every_level() -> None:
    network = GcMcNetwork(2, 3, GcMcConfig(hidden=4, dense=2))
    with torch.no_grad():
        network.bases.copy_(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]]]))
        network.mixture.copy_(torch.tensor([[1.0, 2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 2.0, 1.0]]))
    movies = torch.tensor([[1.0, 2.0], [5.0, 7.0]])
    users = torch.tensor([[3.0, 4.0], [1.0, 1.0], [0.0, 0.0]])

    logits = network.decode(movies, users, Pairs.of(torch.tensor([0]), torch.tensor([0]), (2, 3)))

    # user . movie = 11; the user's first times the movie's second = 6.
    assert logits[:, 0].tolist() == [11, 22, 6, 12, 17]


def test_movies_without_a_known_rating_share_the_last_number() -> None:
    sequences = Sequences(
        user_ids=np.array([7, 3]),
        profiles=np.zeros((2, 24), dtype=np.float32),
        movies=np.array([9, 4, 4, 8]),
        stars=np.array([5, 1, 2, 3], dtype=np.float32),
        offsets=np.array([0, 2, 4]),
    )
    examples = Examples(sequences, np.array([1, 1]))

    known = KnownRatings.of(examples.histories())

    assert known.shape == (3, 2)  # movies 4, 9 and all others; users 3 and 7
    assert list(zip(known.movies, known.users, known.stars, strict=True)) == [(0, 0, 2), (1, 1, 5)]
    assert [side.tolist() for side in known.targets(examples)] == [[0, 2], [1, 0]]


def test_the_window_holds_the_latest_ratings_padded_in_front(sample: MovieLens) -> None:
    split = paper_split(Sequences.of(sample))
    users = history_batch(split.train.sequences, np.array([0, 1]), np.array([2, 5]))

    movies, stars = latest(users, 4)

    first, second = (split.train.sequences.offsets[user] for user in (0, 1))
    rated = split.train.sequences.movies
    assert movies.tolist() == [[0, 0, *rated[first : first + 2]], rated[second + 1 : second + 5].tolist()]
    assert (stars[0] > 0).tolist() == [False, False, True, True]


# Titles by BERT.


def tiny_bert(folder: Path) -> Path:
    """A BERT of random weights over a few words."""
    from transformers import BertConfig, BertModel, BertTokenizer  # noqa: PLC0415

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "star", "wars", "emma", "(", ")", "1977", "1996"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    size: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(folder)
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def catalogue(*names: str) -> Catalogue:
    return Catalogue(movie_ids=tuple(range(1, len(names) + 1)), titles=names, genres=((),) * len(names), genre_names=())


def test_bert_gives_one_vector_a_title_whatever_other_titles_are_encoded(tmp_path: Path) -> None:
    bert = str(tiny_bert(tmp_path / "bert"))

    one = bert_title_vectors(catalogue("Emma (1996)"), bert, tmp_path / "cache")
    two = bert_title_vectors(catalogue("Emma (1996)", "Star Wars: Star Wars (1977)"), bert, tmp_path / "anew")

    assert one.shape == (2, 8)
    assert not two[0].any()
    assert two[1] == pytest.approx(one[1], abs=1e-5)  # padding to the longer title changes nothing
    assert not np.allclose(two[1], two[2], atol=1e-3)


def test_berts_vectors_are_computed_once_for_the_same_titles_and_weights(tmp_path: Path) -> None:
    bert = tiny_bert(tmp_path / "bert")
    first = bert_title_vectors(catalogue("Emma (1996)"), str(bert), tmp_path / "cache")
    (bert / "config.json").unlink()  # it could not be read again

    assert np.array_equal(bert_title_vectors(catalogue("Emma (1996)"), str(bert), tmp_path / "cache"), first)


def test_without_berts_weights_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(TitleModelError, match=r"SEQREC_BERT.*HF_ENDPOINT.*HF_HUB_OFFLINE"):
        bert_title_vectors(catalogue("Emma (1996)"), str(tmp_path / "nowhere"), tmp_path / "cache")


def test_weights_of_something_else_are_not_taken_for_bert(tmp_path: Path) -> None:
    bert = tiny_bert(tmp_path / "bert")
    (bert / "config.json").write_text("not a configuration")

    with pytest.raises(TitleModelError, match="does not hold a BERT model"):
        bert_title_vectors(catalogue("Emma (1996)"), str(bert), tmp_path / "cache")
