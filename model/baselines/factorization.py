"""The factorization of `seqrec` without its network: what the network adds can be read off the difference."""

from typing import ClassVar

import numpy as np
import torch

from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted
from model.factorization.cross_fitting import fit_priors
from model.network.batch import USERS_PER_BATCH
from model.network.config import NetworkConfig
from model.training.context import TrainingContext
from model.training.presets import RATING_ONLY
from model.user_batches import history_batch


class Factorization:
    """Bayesian matrix factorization by Gibbs sampling; a user's stars are the posterior mean given the history."""

    name = "factorization"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, context: TrainingContext, config: NetworkConfig = RATING_ONLY.network) -> None:
        """Only the factorization of ``config`` is used, fitted to all users; cross-fitting is for the network."""
        self.context = context
        self.factorization = config.factorization.model_copy(update={"folds": 1})
        self.seed = RATING_ONLY.training.seed

    def fit(self, split: Split) -> None:
        train = split.train.sequences
        config = NetworkConfig(
            prior="factorization", factorization=self.factorization, rating_scale=split.train.rating_scale
        )
        content = self.context.catalogue.content_matrix
        self.prior = fit_priors(config, train, content, self.seed, self.context.on_fit).full

    @torch.inference_mode()
    def predict(self, examples: Examples) -> Predicted:
        stars = [np.empty(0, dtype=np.float32)]
        for part in examples.batches(USERS_PER_BATCH):
            users = self.prior.encode_users(history_batch(part.sequences, np.arange(len(part)), part.history_lengths))
            movies = self.prior.encode_movies(torch.from_numpy(part.sequences.movies[part.targets]))
            user_index = torch.from_numpy(np.repeat(np.arange(len(part)), part.target_counts))
            stars.append(((users[user_index] * movies.vectors).sum(-1) + movies.offsets).numpy())
        return Predicted(np.concatenate(stars))
