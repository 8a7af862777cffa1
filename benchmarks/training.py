"""Tries other settings of the ranking network's training, and says what they bring and what they cost.

    python -m benchmarks.training --data DIR epochs=12 window=200 stars_weight=0

trains with the settings of ``seqrec`` and these in their place. It prints NDCG@10 on validation after each epoch, and
the seconds of training at the end. The test examples stay unread. ``docs/results/training.md`` is the lab book.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import reporter
from app.jobs.training import training_context
from app.settings import Settings
from model.data import dataset
from model.data.sequences import Sequences
from model.data.splits import split
from model.evaluation.scoring import score_lists
from model.network.config import RankingConfig, RankingTrainingConfig
from model.network.ranking import HORIZONS
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import Preset, preset
from model.training.ranking_task import RankingTask
from model.training.trainer import Progress, Trainer


def changed(
    base: Preset, training: RankingTrainingConfig, ranking: RankingConfig, settings: dict[str, Any]
) -> tuple[Preset, RankingTrainingConfig]:
    """The preset and its training with other values of some fields of either configuration."""
    known = [*RankingTrainingConfig.model_fields, *RankingConfig.model_fields]
    if unknown := settings.keys() - set(known):
        raise typer.BadParameter(f"There is no setting {', '.join(sorted(unknown))}. Choose among {', '.join(known)}.")
    of_network = {name: value for name, value in settings.items() if name in RankingConfig.model_fields}
    network = base.network.model_copy(update={"ranking": ranking.model_copy(update=of_network)})
    of_training = {name: value for name, value in settings.items() if name not in of_network}
    return base.model_copy(update={"network": network}), training.model_copy(update=of_training)


def main(
    settings: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE, values as in JSON.")] = None,
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")] = Path("data/ml-1m"),
    protocol: Annotated[str, typer.Option(help="user-split or leave-one-out.")] = "user-split",
    base: Annotated[str, typer.Option(help="The preset that the settings change.")] = "seqrec",
) -> None:
    """Train the ranking network with other settings; prints one line of JSON for each epoch."""
    given = {name: json.loads(value) for name, _, value in (text.partition("=") for text in settings or [])}
    named = preset(base)
    if named.ranking_training is None or named.network.ranking is None:
        raise typer.BadParameter(f"{base} has no ranking network.")
    chosen, training = changed(named, named.ranking_training, named.network.ranking, given)
    with reporter() as progress:
        ratings = dataset.read(data)
        context = training_context(ratings, Settings(data=data), progress, resume=False)
        divided = split(protocol, Sequences.of(ratings), task="ranking")
        model = SeqRecEstimator(chosen, context)
        model.begin(divided.train)
        model.fit_prior(divided.train)
        network = model.network.require_ranking()
        task = RankingTask(network, divided.train.sequences, None, training, context.device)

        def on_progress(now: Progress) -> None:
            context.on_progress(now)
            if now.step == now.steps:
                scores = {
                    horizon: score_lists(
                        NetworkRanker(model, horizon).scores, divided.validation, task.counts
                    ).ndcg_at_10
                    for horizon in HORIZONS
                }
                line = {"epoch": now.epoch, "samples_per_second": round(now.samples_per_second)} | scores
                typer.echo(json.dumps(line))
                network.train()

        trainer = Trainer(task)
        trainer.run(None, on_progress)
    seconds = sum(epoch.seconds for epoch in trainer.epochs)
    typer.echo(json.dumps(given | {"protocol": protocol, "epochs": len(trainer.epochs), "seconds": round(seconds)}))


if __name__ == "__main__":
    typer.run(main)
