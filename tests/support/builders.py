"""Builders of small models and of their inputs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch

from model.card import Card, Evaluation
from model.data.dataset import MovieLens
from model.factorization.bias import Bias
from model.factorization.cross_fitting import bias_prior
from model.inference.results import Recommendation
from model.network.batch import Users
from model.network.config import NetworkConfig, RankingConfig, RankingTrainingConfig, TrainingConfig
from model.network.rating import SeqRec
from model.training.context import TrainingContext
from model.training.presets import Preset

SMALL_NETWORK = NetworkConfig(
    embedding=8,
    history_length=20,
    profile_layers=(6,),
    movie_layers=(12,),
    title_layers=(8,),
    output_layers=(16, 16),
    dropout=0.1,
    prior="bias",
    likelihood="categorical",
    unknown_rate=0.02,
)
RATING_ONLY = Preset(
    name="small-rating", network=SMALL_NETWORK, training=TrainingConfig(epochs=2, random_history_lengths=True)
)
SMALL = Preset(
    name="small",
    network=SMALL_NETWORK.model_copy(
        update={"ranking": RankingConfig(embedding=8, hidden=12, history_length=20, stars_weight=0.5)}
    ),
    training=RATING_ONLY.training,
    ranking_training=RankingTrainingConfig(epochs=2, final_rate=0.15, averaging=8.0),
)


def context_for(data: MovieLens, checkpoints: Path | None = None, *, resume: bool = False) -> TrainingContext:
    """With random title vectors; `test_titles` tests real ones."""
    catalogue = data.catalogue
    size = len(catalogue.vocabulary)
    return TrainingContext(
        catalogue=catalogue,
        titles=lambda: np.random.default_rng(0).normal(0, 0.05, (size, 384)).astype(np.float32),
        bert_titles=lambda: np.random.default_rng(1).normal(0, 0.5, (size, 32)).astype(np.float32),
        device=torch.device("cpu"),
        checkpoints=checkpoints,
        resume=resume,
    )


def network(config: NetworkConfig, vocabulary_size: int, bias: Bias | None = None) -> SeqRec:
    """A network with random weights, genres and titles, ready to score."""
    torch.manual_seed(0)
    genres = (torch.rand(vocabulary_size, 18) < 0.2).float()
    bias = bias or Bias(3.5, np.linspace(-1, 1, vocabulary_size, dtype=np.float32))
    seqrec = SeqRec(config, genres, torch.randn(vocabulary_size, 384) / 20)
    if seqrec.ranking is not None:
        for member in seqrec.ranking.members:
            member.movies.fit_titles()
    if config.prior == "bias":
        seqrec.prior = bias_prior(bias)
    else:
        seqrec.prior.mean.fill_(bias.mean)
    seqrec.fit_liking()
    return seqrec.eval()


def star_figures(card: Card) -> Evaluation:
    """The card's figures of predicted stars, which are there."""
    assert card.held_out is not None
    return card.held_out


def known_stars(entries: Iterable[Recommendation]) -> list[float]:
    """The predicted stars of a list, which are there."""
    return [entry.stars for entry in entries if entry.stars is not None]


def user(movies: Sequence[int], stars: Sequence[float]) -> Users:
    """One user with this history, by movie indices, and a fixed profile."""
    return Users(
        profiles=torch.linspace(0, 1, 24).unsqueeze(0),
        movies=torch.tensor(movies, dtype=torch.long),
        stars=torch.tensor(stars, dtype=torch.float32),
        lengths=torch.tensor([len(movies)]),
    )


def write_a_million_ratings(folder: Path) -> Path:
    """A data set in the format of ML-1M, of 5,000 users who have rated 200 of 4,000 movies each."""
    index = pl.int_range(1_000_000)
    user, movie = 1 + index // 200, 1 + index * 7 % 4000
    for name, columns in {
        "users.dat": (1 + pl.int_range(5000), pl.lit("F"), pl.lit(25), pl.lit(1), pl.lit("00000")),
        "movies.dat": (1 + pl.int_range(4000), pl.lit("Made Up (2000)"), pl.lit("Drama")),
        "ratings.dat": (user, movie, 1 + index % 5, 10**9 + index),
    }.items():
        lines = pl.select(pl.concat_str(columns, separator="::")).to_series()
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder
