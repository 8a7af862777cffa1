"""Trains a model for the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import NamedTuple

import torch

from app.jobs import extract
from app.jobs.reporter import Reporter
from app.jobs.training_progress import TrainingProgress
from app.settings import Settings
from app.storage import training_state
from model import pipeline
from model.card import Card, Epoch
from model.data.dataset import MovieLens
from model.device import choose_device
from model.distributed.group import is_first, is_restarted, require_same, size
from model.errors import ArtifactError
from model.features.titles import title_vectors
from model.files import delete_half_written
from model.inference import artifact
from model.pipeline import TrainedModel
from model.training.context import Callbacks, Run, TrainingContext
from model.training.presets import Preset
from model.training.trainer import Progress
from model.types import FloatArray

CACHE = ".cache"
"""In the folder of the artifacts: title vectors."""

LONGEST_WRITE = 86_400
"""Seconds after which nobody writes any more what lies half written among the artifacts: others may download there."""


def train_model(
    data: MovieLens,
    preset: Preset,
    settings: Settings,
    reporter: Reporter,
    *,
    resume: bool,
    preliminary: bool = False,
) -> TrainedModel:
    """Train a preset on a data set and write an artifact; `TrainingBusy` if another process trains into its folder.

    Of several processes that train together, the first alone writes and reports.
    """
    require_same(
        {"version of SeqRec": version("seqrec"), "version of PyTorch": torch.__version__}
        | {"device": choose_device(settings.device).type, "model": preset.name, "checksum of its data": data.checksum}
    )
    if not is_first():
        context = training_context(data, settings, reporter, resume=resume)
        return pipeline.train(data, preset, settings.artifacts, context, preliminary=preliminary)
    with (
        training_state.lock(settings.artifact_folder),
        running_training(data, preset, settings, reporter, resume=resume or is_restarted()) as training,
    ):
        trained = pipeline.train(data, preset, settings.artifacts, training.context, preliminary=preliminary)
        training.progress.end(served=True)
    _report_scores(trained, reporter)
    return trained


def train_better_model(
    data: MovieLens, preset: Preset, settings: Settings, reporter: Reporter, served: Card
) -> TrainedModel | None:
    """As `train_model`, if the model is better than the one of the card; otherwise None."""
    with (
        training_state.lock(settings.artifact_folder),
        running_training(data, preset, settings, reporter, resume=True) as training,
    ):
        trained = pipeline.train_better(data, preset, settings.artifacts, training.context, served)
        if trained is None:
            in_vain = training_state.TrainedInVain(model=preset.name, data=data.checksum)
            training_state.write_in_vain(settings.artifact_folder, in_vain)
        training.progress.end(served=trained is not None)
    if trained is None:
        reporter.message(f"Model: {preset.name} is no better than the model that is served, which stays")
    else:
        _report_scores(trained, reporter)
    return trained


class RunningTraining(NamedTuple):
    """What a training takes, and the record of how far it is."""

    context: TrainingContext
    progress: TrainingProgress


@contextmanager
def running_training(
    data: MovieLens, preset: Preset, settings: Settings, reporter: Reporter, *, resume: bool, once: bool = False
) -> Iterator[RunningTraining]:
    """Within it, the state of the training says how far it is; ``once`` for one that holds no users out first.

    Whoever enters it holds the lock of `app.storage.training_state`. Checkpoints of trainings on the database have a
    folder of their own, which is emptied: it has changed since, and none but the next training could go on from them.

    Raises `ArtifactError` before anything is trained if an object store would not take the model.
    """
    beside = choose_device(settings.device).type == "cpu" and torch.get_num_threads() > 1 and size() == 1
    with TrainingProgress(settings.artifact_folder, preset, data, once=once, side_by_side=beside) as progress:
        artifact.require_writable(settings.artifacts)
        parts = "first with held-out users, then on all of them" if preset.refit else "with held-out users"
        reporter.message(
            f"Model: training {preset.name} on {_where(settings)} with the "
            f"{len(data.ratings):,} ratings of {data.name}, {'up to the newest' if once else parts}"
        )
        on_database = data.name == extract.NAME
        folder = extract.NAME if on_database else ""
        context = training_context(data, settings, reporter, progress, resume=resume, checkpoints=folder)
        context.sweep(runs=on_database and not resume)
        for place in ("", artifact.ASIDE, CACHE):
            delete_half_written(settings.artifact_folder / place, LONGEST_WRITE)
        try:
            yield RunningTraining(context, progress)
        except KeyboardInterrupt:
            reporter.message(
                f"Interrupted. Finished epochs are saved: {_command_to_resume(data)} continues from there."
            )
            raise
        except ArtifactError:
            if not once:
                reporter.message(f"Finished epochs are saved: {_command_to_resume(data)} continues from there.")
            raise


def _where(settings: Settings) -> str:
    device = choose_device(settings.device).type
    return device if size() == 1 else f"{size()} processes ({device})"


def _report_scores(trained: TrainedModel, reporter: Reporter) -> None:
    stars, lists = trained.card.held_out, trained.card.held_out_lists
    if stars is None:
        reporter.message(f"Model: {trained.folder}, of lists alone, since the data has no stars")
    else:
        bias = stars.baselines["bias"]
        reporter.message(f"Model: {trained.folder}, test RMSE {stars.rmse:.4f} (bias model {bias.rmse:.4f})")
    if lists is not None:
        popular = lists.baselines["popularity"]
        reporter.message(
            f"Model: lists for unseen users, NDCG@10 {lists.ndcg_at_10:.4f} (popularity {popular.ndcg_at_10:.4f})"
        )
    if stars is not None and stars.rmse >= stars.baselines["bias"].rmse:
        reporter.message("Model: it does not beat the bias model; that takes more users or ratings than this data has")


def _command_to_resume(data: MovieLens) -> str:
    if data.name == extract.NAME:
        return "--resume, as long as the database has not changed since,"
    return "`seqrec up`, or --resume with another command,"


def training_context(
    data: MovieLens,
    settings: Settings,
    reporter: Reporter,
    training: TrainingProgress | None = None,
    *,
    resume: bool,
    checkpoints: str = "",
) -> TrainingContext:
    """What training on a data set needs; caches and checkpoints lie beside the artifacts.

    ``checkpoints`` is a folder within that of the checkpoints, for runs that must not take those of others.
    """
    catalogue = data.catalogue
    cache = settings.artifact_folder / CACHE

    def on_titles(done: int, total: int) -> None:
        reporter.progress("titles encoded", done, total)

    def callbacks_of(run: Run) -> Callbacks:
        of_users = " of all users" if run == "all users" else ""

        def on_fit(done: int, total: int) -> None:
            reporter.progress(f"factorization{of_users}", done, total)
            if training:
                training.on_fit(run, done, total)

        def on_progress(progress: Progress) -> None:
            _report_progress(progress, of_users, reporter)
            if training:
                training.on_epochs(run, progress)

        def on_learned(task: str) -> None:
            if training:
                training.on_learned(run, task)

        return Callbacks(on_fit, on_progress, on_learned)

    shown = callbacks_of("held-out")

    def bert_titles() -> FloatArray:
        from model.baselines.bert_titles import bert_title_vectors  # noqa: PLC0415 - one published model reads them

        return bert_title_vectors(catalogue, settings.bert, cache, on_titles)

    return TrainingContext(
        catalogue=catalogue,
        titles=lambda: title_vectors(catalogue, cache, on_titles),
        bert_titles=bert_titles,
        device=choose_device(settings.device),
        checkpoints=settings.artifact_folder / ".checkpoints" / checkpoints if is_first() else None,
        resume=resume,
        on_fit=shown.on_fit,
        on_progress=shown.on_progress,
        callbacks_of=callbacks_of,
        side_by_side=size() == 1,
    )


def _report_progress(now: Progress, of_users: str, reporter: Reporter) -> None:
    detail = f"loss {now.loss:.4f}, {now.samples_per_second:,.0f} samples/s{_best_score(now.best)}"
    reporter.progress(f"{now.task}{of_users}, epoch {now.epoch}/{now.epochs}", now.step, now.steps, detail)


def _best_score(epoch: Epoch | None) -> str:
    if epoch is not None and epoch.validation_rmse is not None:
        return f", best RMSE {epoch.validation_rmse:.4f}"
    if epoch is not None and epoch.validation_ndcg is not None:
        return f", NDCG@10 {epoch.validation_ndcg:.4f}"
    return ""
