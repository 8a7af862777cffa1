"""A training without random numbers that depend on the process, so that any number of processes learn the same.

torchrun --nproc-per-node 2 tests/support/trains_together.py DATA OUT [EPOCHS]
"""

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders import SMALL, context_for

from model.data import dataset
from model.data.sequences import Sequences
from model.data.splits import paper_split
from model.distributed.group import is_first, joined
from model.network import ranking
from model.network.config import FactorizationConfig, RankingConfig
from model.training.estimator import SeqRecEstimator
from model.training.trainer import Progress

PRESET = SMALL.model_copy(
    update={
        "network": SMALL.network.model_copy(
            update={
                "dropout": 0.0,
                "unknown_rate": 0.0,
                "prior": "factorization",
                "factorization": FactorizationConfig(
                    factors=4, coordinates=4, sweeps=14, burn_in=10, keep_every=2, folds=2, fold_sweeps=14
                ),
                "ranking": RankingConfig(
                    embedding=8, hidden=12, history_length=20, input_dropout=0.0, output_dropout=0.0, unknown_rate=0.0
                ),
            }
        )
    }
)


class Interrupted(Exception):
    """As by a user."""


def train(data: Path, out: Path, epochs: int = 2) -> dict[str, list[float]]:
    """Learn stars and lists from what is in ``out`` on, for so many epochs of two; returns how each went."""

    def interrupt(now: Progress) -> None:
        if now.epoch > epochs:
            raise Interrupted

    ratings = dataset.read(data)
    split = paper_split(Sequences.of(ratings))
    context = context_for(ratings, out if is_first() else None, resume=True)
    model = SeqRecEstimator(PRESET, replace(context, on_progress=interrupt))
    with pytest.MonkeyPatch.context() as patch, suppress(Interrupted):
        patch.setattr(ranking, "PROFILE_DROPOUT", 0.0)
        model.begin(split.train)
        model.fit_stars(split.train, split.validation, last_epoch=epochs)
        model.fit_ranking(split.train, split.validation)
    return {
        "stars": [epoch.train_loss for epoch in model.epochs],
        "stars, validation": [epoch.validation_rmse or 0.0 for epoch in model.epochs],
        "lists": [epoch.train_loss for epoch in model.ranking_epochs],
        "lists, validation": [epoch.validation_ndcg or 0.0 for epoch in model.ranking_epochs],
        "lists, weights": [weights.norm().item() for weights in model.network.require_ranking().parameters()],
        "predictions": model.predict(split.test).stars.tolist(),
    }


if __name__ == "__main__":
    folder, results, *last = sys.argv[1:]
    with joined(torch.device("cpu")):
        learned = train(Path(folder), Path(results), *map(int, last))
        if is_first():
            (Path(results) / "learned.json").write_text(json.dumps(learned))
