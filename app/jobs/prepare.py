"""Prepares everything that a service needs to start: data, database, model. Skips what exists already."""

from pathlib import Path

from sqlalchemy import Engine

from app.jobs.bulk_load import has_data, is_loaded, load
from app.jobs.datasets import SAMPLE_NOTICE, find_data, obtain_data
from app.jobs.reporter import Reporter
from app.jobs.training import train_model
from app.settings import Settings
from app.storage.database import connect, public_url, upgrade
from model.data import dataset
from model.data.dataset import MovieLens
from model.inference import artifact
from model.training.presets import PRESETS

DEFAULT_MODEL = "seqrec"


def prepare(settings: Settings, reporter: Reporter) -> None:
    """Obtain data, fill the database and train, as far as that is not done."""
    engine = connect(settings.database_url)
    upgrade(engine)
    folder = find_data(settings)
    if folder is None and artifact.newest(settings.artifacts) and _holds(engine, None):
        reporter.message("Data: none found, and none needed, since there are a model and a filled database")
    else:
        _prepare_from(folder or obtain_data(settings, reporter), engine, settings, reporter)
    newest = artifact.newest(settings.artifacts)
    if newest and artifact.load_card(newest).data.generated:
        reporter.message(SAMPLE_NOTICE)


def _prepare_from(folder: Path, engine: Engine, settings: Settings, reporter: Reporter) -> None:
    checksum = dataset.checksum(folder)
    newest = artifact.newest(settings.artifacts)
    trained = newest is not None and artifact.load_card(newest).data.holds(checksum)
    loaded = _holds(engine, checksum)
    reporter.message(f"Data: {folder}")
    data = None if trained and loaded else dataset.read(folder)
    # The database first: it may refuse the data, which should not wait for the training.
    if data is None or loaded:
        reporter.message(f"Database: {public_url(engine)}, filled with this data before")
    else:
        load_database(data, settings, reporter)
    if data is None or trained:
        reporter.message(f"Model: {newest}, trained before")
    else:
        train_model(data, PRESETS[DEFAULT_MODEL], settings, reporter, resume=True)


def _holds(engine: Engine, checksum: str | None) -> bool:
    """Whether the database was filled with the data of this checksum, or, for None, with any data."""
    with engine.connect() as connection:
        return has_data(connection) if checksum is None else is_loaded(connection, checksum)


def load_database(data: MovieLens, settings: Settings, reporter: Reporter) -> bool:
    """Migrate the database and fill it; False if it holds this data already."""
    engine = connect(settings.database_url)
    upgrade(engine)
    stage = f"writing ratings to {public_url(engine)}"
    loaded = load(engine, data, lambda done, total: reporter.progress(stage, done, total))
    if loaded:
        reporter.message(
            f"Database: {public_url(engine)}, loaded {len(data.users):,} users, {len(data.movies):,} movies "
            f"and {len(data.ratings):,} ratings"
        )
    else:
        reporter.message(f"Database: {public_url(engine)} holds this data already; nothing changed")
    return loaded
