"""Trains a model for the service."""

from pathlib import Path

from app.jobs import extract
from app.jobs.reporter import Reporter
from app.settings import Settings
from model.card import Card, Epoch
from model.data.dataset import MovieLens
from model.device import choose_device
from model.features.titles import title_vectors
from model.pipeline import train
from model.training.context import TrainingContext
from model.training.presets import Preset
from model.training.trainer import Progress
from model.types import FloatArray


def train_model(data: MovieLens, preset: Preset, settings: Settings, reporter: Reporter, *, resume: bool) -> Path:
    """Train a preset on a data set and write an artifact; returns its folder."""
    device = choose_device(settings.device)
    reporter.message(
        f"Model: training {preset.name} on {device.type} with the {len(data.ratings):,} ratings of {data.name}, first "
        f"with held-out users, then on all of them"
    )
    try:
        trained = train(data, preset, settings.artifacts, training_context(data, settings, reporter, resume=resume))
    except KeyboardInterrupt:
        reporter.message(f"Interrupted. Finished epochs are saved: {_command_to_resume(data)} continues from there.")
        raise
    _report_scores(trained.folder, trained.card, reporter)
    return trained.folder


def _report_scores(folder: Path, card: Card, reporter: Reporter) -> None:
    held_out, lists = card.held_out, card.held_out_lists
    bias = held_out.baselines["bias"]
    reporter.message(f"Model: {folder}, test RMSE {held_out.rmse:.4f} (bias model {bias.rmse:.4f})")
    if lists is not None:
        popular = lists.baselines["popularity"]
        reporter.message(
            f"Model: lists for unseen users, NDCG@10 {lists.ndcg_at_10:.4f} (popularity {popular.ndcg_at_10:.4f})"
        )
    if held_out.rmse >= bias.rmse:
        reporter.message("Model: it does not beat the bias model; that takes more users or ratings than this data has")


def _command_to_resume(data: MovieLens) -> str:
    if data.name == extract.NAME:
        return "--resume, as long as the database has not changed since,"
    return "`seqrec up`, or --resume with another command,"


def training_context(data: MovieLens, settings: Settings, reporter: Reporter, *, resume: bool) -> TrainingContext:
    """What training on a data set needs; caches and checkpoints lie beside the artifacts."""
    catalogue = data.catalogue
    cache = settings.artifacts / ".cache"

    def on_titles(done: int, total: int) -> None:
        reporter.progress("titles encoded", done, total)

    def bert_titles() -> FloatArray:
        from model.baselines.bert_titles import bert_title_vectors  # noqa: PLC0415 - one published model reads them

        return bert_title_vectors(catalogue, settings.bert, cache, on_titles)

    return TrainingContext(
        catalogue=catalogue,
        titles=lambda: title_vectors(catalogue, cache, on_titles),
        bert_titles=bert_titles,
        device=choose_device(settings.device),
        checkpoints=settings.artifacts / ".checkpoints",
        resume=resume,
        on_fit=lambda done, total: reporter.progress("factorization", done, total),
        on_progress=lambda progress: _report_progress(progress, reporter),
    )


def _report_progress(now: Progress, reporter: Reporter) -> None:
    detail = f"loss {now.loss:.4f}, {now.samples_per_second:,.0f} samples/s{_best_score(now.best)}"
    reporter.progress(f"{now.task}, epoch {now.epoch}/{now.epochs}", now.step, now.steps, detail)


def _best_score(epoch: Epoch | None) -> str:
    if epoch is not None and epoch.validation_rmse is not None:
        return f", best RMSE {epoch.validation_rmse:.4f}"
    if epoch is not None and epoch.validation_ndcg is not None:
        return f", NDCG@10 {epoch.validation_ndcg:.4f}"
    return ""
