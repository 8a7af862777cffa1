"""GRU4Rec of the library RecBole."""

import sys
import tempfile
import warnings
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.model.sequential_recommender import GRU4Rec
from recbole.trainer import Trainer
from recbole.utils import init_seed

from benchmarks.neural import train_until_best
from benchmarks.tuning import Settings, choices_of_liked, combinations, select_ratings, spread
from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray, IntArray

warnings.filterwarnings("ignore", module="recbole")

DATA = "ratings"

FIXED = {
    "loss_type": "CE",
    "train_neg_sample_args": None,
    "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": "none", "order": "TO", "mode": "full"},
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "use_gpu": False,
    "seed": 0,
    "state": "ERROR",
}
"""For RecBole: everything is for training, since validation and test are this project's; no sampled negatives."""


class Gru4Rec:
    """A recurrent network over the history (Hidasi et al. 2016), as improved by Tan, Xu and Liu (2016).

    It is trained with the softmax over all movies, on each prefix of each history as a sample of its own.

    Args:
        hidden: width of the recurrent layer.
        dropout: share of the embeddings' values left out in training.
        learning_rate: of Adam.
        liked: reads only ratings of relevant movies.
        minutes: of training, at most.
    """

    name = "gru4rec"
    library = "RecBole"
    package = "recbole"
    inductive = True
    takes_time = True
    length = 50
    most_epochs = 50
    patience = 3

    def __init__(
        self, vocabulary_size: int, hidden: int, dropout: float, learning_rate: float, liked: bool, minutes: float
    ) -> None:
        self.vocabulary_size = vocabulary_size
        self.liked = liked
        self.minutes = minutes
        self.epochs: list[Epoch] = []
        self.own = {
            "hidden_size": hidden,
            "dropout_prob": dropout,
            "learning_rate": learning_rate,
            "train_batch_size": 512,
            "MAX_ITEM_LIST_LENGTH": self.length,
        }

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(hidden=(128,), dropout=(0.3,), learning_rate=(1e-3,), liked=choices_of_liked(protocol))

    def fit(self, split: Split) -> None:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):  # RecBole leaves folders where it is run
            write_interactions(select_ratings(split.train.sequences, self.liked), Path(folder))
            config = self.config(folder)
            data = create_dataset(config)
            samples = TrainDataLoader(config, data.build()[0], None, shuffle=True)
            self.network = GRU4Rec(config, samples.dataset)
            self.known = data.field2id_token["item_id"][1:].astype(np.int64)
            self.item_of_movie = np.zeros(self.vocabulary_size, dtype=np.int64)
            self.item_of_movie[self.known] = np.arange(1, len(self.known) + 1)
            trainer = Trainer(config, self.network)

            def train_epoch(number: int) -> float:
                trainer.start_epoch, trainer.epochs = number, number + 1
                trainer.fit(samples, saved=False, verbose=False)
                return float(trainer.train_loss_dict[number]) / len(samples)

            run = train_until_best(
                self, self.network, train_epoch, split, self.most_epochs, self.patience, self.minutes
            )
            trainer.tensorboard.close()
        self.epochs = run.epochs

    def config(self, folder: str) -> Config:
        """The library's settings; it seeds all generators."""
        with patch.object(sys, "argv", sys.argv[:1]):  # it would take this program's options for its own
            config = Config(model="GRU4Rec", dataset=DATA, config_dict=FIXED | self.own | {"data_path": folder})
        init_seed(config["seed"], reproducibility=True)
        return config

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> FloatArray:
        items, lengths = self.ends(select_ratings(histories, self.liked))
        batch = {"item_id_list": torch.from_numpy(items), "item_length": torch.from_numpy(lengths)}
        scores = self.network.full_sort_predict(batch)[:, 1:]
        return spread(scores.numpy(), self.known, self.vocabulary_size)

    def ends(self, histories: Sequences) -> tuple[IntArray, IntArray]:
        """The ends of the histories in the library's item numbers, padded behind, and how long they are.

        Shapes (users, length) and (users,). An empty history is one unknown movie long.
        """
        padded = np.zeros((len(histories), self.length), dtype=np.int64)
        lengths = np.ones(len(histories), dtype=np.int64)
        for user, movies in enumerate(np.split(histories.movies, histories.offsets[1:-1])):
            items = self.item_of_movie[movies]
            items = items[items > 0][-self.length :]
            padded[user, : len(items)] = items
            lengths[user] = max(1, len(items))
        return padded, lengths


def write_interactions(sequences: Sequences, folder: Path) -> None:
    """The ratings as RecBole reads them; a rating's time is its index, so that no two are equal."""
    table = pl.DataFrame(
        {
            "user_id:token": sequences.user_index,
            "item_id:token": sequences.movies,
            "timestamp:float": np.arange(len(sequences.movies)),
        }
    )
    (folder / DATA).mkdir()
    table.write_csv(folder / DATA / f"{DATA}.inter", separator="\t")
