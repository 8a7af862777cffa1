"""Prepares everything that a service needs to start: data, database, model. Skips what exists already."""

from pathlib import Path

from sqlalchemy import Engine

from app.jobs.bulk_load import has_data, is_loaded, load
from app.jobs.datasets import SAMPLE_FOLDER, SAMPLE_NOTICE, find_data, obtain_data
from app.jobs.reporter import Reporter
from app.jobs.training import train_better_model, train_model
from app.settings import Settings
from app.storage import training_state
from app.storage.database import connect, public_url, upgrade
from model import pipeline
from model.card import Card
from model.data import dataset
from model.data.dataset import MovieLens
from model.data.origin import IDS_FILES
from model.inference import artifact
from model.training.presets import Preset, first_look, preset
from seqrec.ids import EXTERNAL_ID_RULE, is_external_id

DEFAULT_MODEL = "seqrec"


def prepare(settings: Settings, reporter: Reporter, model: str | None = None, *, quick: bool = False) -> None:
    """Obtain data, fill the database and train, as far as that is not done.

    Args:
        settings: where data, database and artifacts are.
        reporter: is told what happens.
        model: the preset to train. None keeps the newest artifact of any preset, and trains the default one where there
            is none. `UnknownNameError` if there is no such preset.
        quick: be content with a preliminary model, which takes minutes; `app.jobs.improvement` trains the better one.
    """
    chosen = preset(model or DEFAULT_MODEL)
    engine = connect(settings.database_url)
    try:
        _prepare(engine, settings, reporter, model, chosen, quick=quick)
    finally:
        engine.dispose()


def _prepare(
    engine: Engine, settings: Settings, reporter: Reporter, model: str | None, chosen: Preset, *, quick: bool
) -> None:
    upgrade(engine)
    newest = newest_card(settings, model)
    folder = find_data_of(newest, settings)
    if folder is None and _is_enough(settings, newest, chosen, quick=quick) and _holds(engine, None):
        reporter.message("Data: none found, and none needed, since there are a model and a filled database")
    else:
        folder = folder or obtain_data(settings, reporter)
        _prepare_from(folder, engine, settings, reporter, newest, chosen, quick=quick)
    newest = newest_card(settings, model)
    if quick and newest and is_to_improve(settings, newest):
        reporter.message("Model: a first one. A better one is trained while it serves; the page says how far it is")
    if newest and newest.data.generated:
        reporter.message(SAMPLE_NOTICE)


def newest_card(settings: Settings, model: str | None = None) -> Card | None:
    """The card of the newest artifact; None if there is no artifact, or if it is not of the model asked for.

    A preliminary model stands for the one that is to replace it.
    """
    newest = artifact.newest(settings.artifacts)
    card = artifact.load_card(newest) if newest else None
    return card if card and (card.preliminary or model in (None, card.model)) else None


def find_data_of(card: Card | None, settings: Settings) -> Path | None:
    """The data folder, also that of the generated sample if the card is of a model that was trained on it."""
    sample = SAMPLE_FOLDER if card is not None and card.data.generated and SAMPLE_FOLDER.is_dir() else None
    return find_data(settings) or sample


def is_to_improve(settings: Settings, card: Card, model: str = DEFAULT_MODEL) -> bool:
    """Whether the card is that of a preliminary model, in whose place this one was not trained in vain before."""
    if not card.preliminary or card.model == model:
        return False
    in_vain = training_state.read_in_vain(settings.artifact_folder)
    return in_vain is None or in_vain.model != model or not card.data.holds(in_vain.data)


def _is_enough(settings: Settings, card: Card | None, chosen: Preset, *, quick: bool) -> bool:
    """Whether there is a model, that of the card, and ``chosen`` need not be trained in its place."""
    return card is not None and (quick or not is_to_improve(settings, card, chosen.name))


def _prepare_from(
    folder: Path,
    engine: Engine,
    settings: Settings,
    reporter: Reporter,
    newest: Card | None,
    chosen: Preset,
    *,
    quick: bool,
) -> None:
    checksum = dataset.checksum(folder)
    served = newest if newest is not None and newest.data.holds(checksum) else None
    trained, loaded = _is_enough(settings, served, chosen, quick=quick), _holds(engine, checksum)
    reporter.message(f"Data: {folder}")
    data = None if trained and loaded else dataset.read(folder)
    # The database first: it may refuse the data, which should not wait for the training.
    if data is None or loaded:
        reporter.message(f"Database: {public_url(engine)}, filled with this data before")
    else:
        if not trained:
            pipeline.require_enough(data)  # a database that holds data which is of no use would refuse all other data
        _load(engine, data, reporter)
    if data is None or trained:
        reporter.message(f"Model: {artifact.newest(settings.artifacts)}, trained before")
    else:
        _train(data, settings, reporter, served, chosen, quick=quick)


def _train(
    data: MovieLens, settings: Settings, reporter: Reporter, served: Card | None, chosen: Preset, *, quick: bool
) -> None:
    """``served`` is the card of the model of this data that is there already; None if there is none."""
    if quick:
        train_model(data, first_look(len(data.ratings)), settings, reporter, resume=True, preliminary=True)
    elif served is not None and chosen.name == DEFAULT_MODEL:
        train_better_model(data, chosen, settings, reporter, served)
    else:
        train_model(data, chosen, settings, reporter, resume=True)


def _holds(engine: Engine, checksum: str | None) -> bool:
    """Whether the database was filled with the data of this checksum, or, for None, with any data."""
    with engine.connect() as connection:
        return has_data(connection) if checksum is None else is_loaded(connection, checksum)


def load_database(data: MovieLens, settings: Settings, reporter: Reporter) -> bool:
    """Migrate the database and fill it; False if it holds this data already."""
    engine = connect(settings.database_url)
    try:
        upgrade(engine)
        return _load(engine, data, reporter)
    finally:
        engine.dispose()


def _load(engine: Engine, data: MovieLens, reporter: Reporter) -> bool:
    stage = f"writing ratings to {public_url(engine)}"
    loaded = load(engine, data, lambda done, total: reporter.progress(stage, done, total))
    if loaded:
        reporter.message(
            f"Database: {public_url(engine)}, loaded {len(data.users):,} users, {len(data.movies):,} movies "
            f"and {len(data.ratings):,} ratings"
        )
        for noun, ids in (("user", data.user_external_ids), ("movie", data.movie_external_ids)):
            if refused := sum(not is_external_id(text) for text in ids.values()):
                reporter.message(
                    f"Database: {refused:,} ids of {noun}s of the source cannot be external ids, and are known by "
                    f"their numbers in {IDS_FILES[noun]} alone: {EXTERNAL_ID_RULE}"
                )
    else:
        reporter.message(f"Database: {public_url(engine)} holds this data already; nothing changed")
    return loaded
