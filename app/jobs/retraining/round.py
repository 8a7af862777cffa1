"""One round: a challenger is trained on what the database holds, and served if it is better than the champion."""

from dataclasses import replace
from pathlib import Path

import polars as pl
from sqlalchemy import Engine

from app.jobs.extract import extract
from app.jobs.prepare import DEFAULT_MODEL
from app.jobs.reporter import Reporter
from app.jobs.retraining.comparison import Verdict, decide, evaluate, held_out_users
from app.jobs.retraining.lease import Lease, lease
from app.jobs.training import running_training
from app.services.feedback.kinds import meanings_from
from app.services.models.collection import Models
from app.services.models.loading import load_scorer, to_serve
from app.settings import Settings
from app.storage import models, training_state
from app.storage.database import connect, require_current
from model import pipeline
from model.card import Card
from model.data.dataset import MovieLens
from model.data.newest import newest_split
from model.data.splits import Split
from model.device import choose_device
from model.errors import UnknownNameError
from model.inference import artifact
from model.inference.cold_start import carried_over
from model.network.rating import SeqRec
from model.rating_scale import RatingScale
from model.training.context import TrainingContext
from model.training.presets import Preset, preset

KEPT = "kept for `seqrec model serve --latest`, since another one is pinned"
"""What becomes of a better model while a pin or a comparison says what is served."""


def retrain(settings: Settings, reporter: Reporter) -> Verdict:
    """Train on the database from the served model on, and serve the new model if it is better for the newest ratings.

    Otherwise it is set aside; a better one is kept where another one is pinned. Raises `RetrainingBusy` or
    `TrainingBusy` if another process trains, and `DataError` if there are too few new ratings to tell which model is
    better.
    """
    engine = connect(settings.database_url)
    try:
        require_current(engine)
        with training_state.lock(settings.artifact_folder), lease(engine) as held:
            return _retrain(engine, held, settings, reporter)
    finally:
        engine.dispose()


def _retrain(engine: Engine, held: Lease, settings: Settings, reporter: Reporter) -> Verdict:
    with held.database.reads() as session:
        champion = to_serve(settings.artifacts, models.pinned(session))
    card = artifact.load_card(champion)
    data = extract(engine, meanings_from(settings.feedback or {}))
    split, cut = newest_split(data, card.newest_known)
    known = replace(data, ratings=data.ratings.filter(pl.col("rated_at") <= cut))
    chosen = _preset_of(card)
    with running_training(known, chosen, settings, reporter, resume=False, once=True) as (context, progress):
        trained = pipeline.train_once(
            split,
            known,
            chosen,
            settings.artifact_folder / artifact.ASIDE,
            context,
            epochs=card.epochs if chosen.name == card.model else chosen.training.epochs,
            start=_start(champion, chosen, split.train.rating_scale, known, context),
        )
        verdict = _compare(champion, trained.folder, split, data, settings, context)
        settled = _settle(held, trained.folder, verdict, settings)
        progress.end(served=verdict.better)
    reporter.message(f"Model: {trained.folder.name} is {settled}, {verdict.reason}")
    return verdict


def _preset_of(card: Card) -> Preset:
    """What the model was trained by; the default model in place of a preliminary one."""
    if card.preliminary:
        return preset(DEFAULT_MODEL)
    name, _, recurrent = card.model.partition("+")
    try:
        return preset(name, recurrent or None)
    except UnknownNameError:
        return preset(DEFAULT_MODEL)


def _start(
    champion: Path, chosen: Preset, rating_scale: RatingScale, data: MovieLens, context: TrainingContext
) -> SeqRec | None:
    """The champion's network over the present catalogue, if lists can be learned on from it.

    Its ranking network must be that of ``chosen``, and read stars of ``rating_scale``, that of the new ratings.
    """
    loaded = artifact.load(champion)
    config = loaded.network.config
    if config.ranking is None or (config.ranking, config.rating_scale) != (chosen.network.ranking, rating_scale):
        return None
    return carried_over(loaded, data.catalogue, context.titles())


def _compare(
    champion: Path, challenger: Path, split: Split, data: MovieLens, settings: Settings, context: TrainingContext
) -> Verdict:
    held_out, titles, device = held_out_users(split.test, data), context.titles(), choose_device(settings.device)
    before, after = (evaluate(load_scorer(folder, device), held_out, data, titles) for folder in (champion, challenger))
    return decide(before, after, held_out, data)


def _settle(held: Lease, challenger: Path, verdict: Verdict, settings: Settings) -> str:
    """Serve the challenger, keep it beside a pinned model or leave it aside, and end the round, in one transaction.

    Returns which of them, in words.
    An object store has it before, since an upload is too long for a transaction. A kill in between leaves the better
    model to the next start or reload.
    """
    collection, card = Models(held.database, settings.artifacts, settings.keep_models), artifact.load_card(challenger)
    if verdict.better:
        with held.database.writes() as session:
            held.require(session)
        artifact.publish(settings.artifacts, challenger)
    with held.database.writes() as session:
        if not verdict.better:
            settled, reason = "set aside", verdict.reason
        elif models.pinned(session) is None:
            settled, reason = "served", verdict.reason
            collection.serve_in(session, challenger.name, card, f"retrained, {verdict.reason}")
        else:
            settled, reason = KEPT, f"{verdict.reason}; {KEPT}"
        held.end(session, "served" if verdict.better else "aside", challenger.name, reason)
        if verdict.better:
            artifact.promote(settings.artifacts, challenger)
    collection.prune()
    return settled
