"""SASRec, HSTU and eSASRec of the library RecTools, and a recurrent network in the place of the attention."""

import logging
import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import HSTUModel, SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers
from rectools.models.nn.transformers.net_blocks import TransformerLayersBase
from torch import Tensor, nn

from benchmarks.neural import train_until_best
from benchmarks.tuning import Settings, choices_of_liked, combinations, select_ratings, spread
from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray, IntArray

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
for library in ("rectools", "pytorch_lightning", "pydantic"):
    warnings.filterwarnings("ignore", module=library)

SEED = 0


class SasRec:
    """Self-attention over the history (Kang and McAuley 2018), trained with the softmax over all movies.

    Args:
        factors: width of the network.
        dropout: share of values left out in training.
        liked: reads only ratings of relevant movies.
        minutes: of training, at most.
    """

    name = "sasrec"
    library = "RecTools"
    package = "rectools"
    inductive = True
    takes_time = True
    length = 200
    most_epochs = 100
    patience = 10
    model_type: ClassVar[type] = SASRecModel
    network: ClassVar[Settings] = {"n_blocks": 2, "n_heads": 1, "loss": "softmax"}

    def __init__(self, vocabulary_size: int, factors: int, dropout: float, liked: bool, minutes: float) -> None:
        self.vocabulary_size = vocabulary_size
        self.liked = liked
        self.minutes = minutes
        self.epochs: list[Epoch] = []
        self.model = self.model_type(
            **self.network,
            n_factors=factors,
            dropout_rate=dropout,
            session_max_len=self.length,
            batch_size=32,
            lr=1e-3,
        )

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(factors=(128,), dropout=(0.1, 0.2, 0.3), liked=choices_of_liked(protocol))

    def fit(self, split: Split) -> None:
        torch.manual_seed(SEED)
        data = Dataset.construct(interactions(select_ratings(split.train.sequences, self.liked)))
        self.model.fit_partial(data, min_epochs=0, max_epochs=0)  # builds the network
        self.known = self.model.data_preparator.get_known_item_ids().astype(np.int64)
        self.item_of_movie = np.zeros(self.vocabulary_size, dtype=np.int64)
        self.item_of_movie[self.known] = np.arange(1, len(self.known) + 1)

        def train_epoch(_: int) -> float:
            self.model.fit_partial(data, min_epochs=1, max_epochs=1)
            return float(self.model.fit_trainer.callback_metrics["train_loss"])

        trainer = train_until_best(
            self, self.model.torch_model, train_epoch, split, self.most_epochs, self.patience, self.minutes
        )
        self.epochs = trainer.epochs

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> FloatArray:
        network = self.model.torch_model
        movies = network.item_model.get_all_embeddings()
        sessions = torch.from_numpy(self.sessions(select_ratings(histories, self.liked)))
        users = network.encode_sessions({"x": sessions}, movies)[:, -1]
        return spread(network.similarity_module(users, movies[1:]).numpy(), self.known, self.vocabulary_size)

    def sessions(self, histories: Sequences) -> IntArray:
        """The ends of the histories in the library's item numbers, padded in front, shape (users, length)."""
        padded = np.zeros((len(histories), self.length), dtype=np.int64)
        for user, movies in enumerate(np.split(histories.movies, histories.offsets[1:-1])):
            items = self.item_of_movie[movies]
            items = items[items > 0][-self.length :]
            padded[user, self.length - len(items) :] = items
        return padded


class Hstu(SasRec):
    """HSTU (Zhai and others 2024) by the order of the movies alone: its attention reads positions, and no times."""

    name = "hstu"
    model_type = HSTUModel
    network: ClassVar[Settings] = {
        "n_blocks": 2,
        "n_heads": 2,
        "loss": "softmax",
        "relative_time_attention": False,
        "lightning_module_kwargs": {"logits_t": 0.05},  # a score is a cosine
    }

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(factors=(128,), dropout=(0.2,), liked=choices_of_liked(protocol))


class ESasRec(SasRec):
    """eSASRec (Tikhonovich and others 2025): SASRec with gated layers (LiGR) and the softmax over a sample."""

    name = "esasrec"
    network: ClassVar[Settings] = {
        "n_blocks": 2,
        "n_heads": 2,
        "transformer_layers_type": LiGRLayers,
        "loss": "sampled_softmax",
        "n_negatives": 256,
    }

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(factors=(128,), dropout=(0.2,), liked=choices_of_liked(protocol))


class RecurrentLayers(TransformerLayersBase):  # type: ignore[misc]
    """A GRU where the library has attention: one layer, no bias, then a linear map, as GRU4Rec in RecBole."""

    def __init__(self, n_factors: int, **_: object) -> None:
        super().__init__()
        self.recurrent = nn.GRU(n_factors, 2 * n_factors, bias=False, batch_first=True)
        self.narrowed = nn.Linear(2 * n_factors, n_factors)

    def forward(self, seqs: Tensor, timeline_mask: Tensor, *_: object, **__: object) -> Tensor:
        """From movies to states, both of shape (users, length, factors); the padding in front leaves a state of 0."""
        states, _last = self.recurrent(seqs * timeline_mask)
        narrowed: Tensor = self.narrowed(states)
        return narrowed


class Gru(SasRec):
    """GRU4Rec as SASRec is trained: on all movies of a history at once, and not on each prefix by itself.

    The layers are written here; the data, the loss and the training are RecTools'.
    """

    name = "gru"
    network: ClassVar[Settings] = {
        "transformer_layers_type": RecurrentLayers,
        "use_pos_emb": False,
        "use_causal_attn": False,
        "loss": "softmax",
    }

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(factors=(64,), dropout=(0.3,), liked=choices_of_liked(protocol))


def interactions(sequences: Sequences) -> pd.DataFrame:
    """The ratings as the library reads them; a rating's time is its index, so that no two are equal."""
    return pd.DataFrame(
        {
            Columns.User: sequences.user_index,
            Columns.Item: sequences.movies,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(np.arange(len(sequences.movies)), unit="s"),
        }
    )
