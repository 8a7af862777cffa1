"""Brings a machine from nothing to a service that can start: data, database, model. Skips what is done."""

from pathlib import Path

from sqlalchemy import Engine

from app.cli.console import TrainingDisplay, bar, say, training_display
from app.jobs import extract
from app.jobs.bulk_load import has_data, is_loaded, load
from app.settings import Settings
from app.storage.database import connect, shown, upgrade
from model.baselines.bert_titles import bert_title_vectors
from model.card import Card
from model.data import dataset, download
from model.data.dataset import MovieLens
from model.data.sample import write_sample
from model.device import choose_device
from model.errors import DownloadError
from model.features.titles import title_vectors
from model.inference import artifact
from model.pipeline import train
from model.training.context import TrainingContext
from model.training.presets import Preset, preset

DATA_FOLDER = Path("data/ml-1m")
SAMPLE_FOLDER = Path("data/sample")
DEFAULT_MODEL = "seqrec"

SAMPLE_NOTICE = """\
  *********************************************************************************
  *  NOT REAL DATA: movies, users and ratings of this service are made up.        *
  *  For real data, set SEQREC_DATA to the folder of a MovieLens data set, or     *
  *  run `seqrec data get` where there is a network; then start with an empty     *
  *  database: remove data/seqrec.db, or with Docker run                          *
  *  `docker compose down --volumes`.                                             *
  *********************************************************************************"""


def prepare(settings: Settings, model: str | None = None) -> None:
    """Everything that a service needs before it can start, in plain lines; what is there already is kept.

    Args:
        settings: where data, database and artifacts are.
        model: the preset to train. None keeps a newest artifact of any preset, and trains the default one where there
            is none. `UnknownNameError` if there is no such preset.
    """
    chosen = preset(model or DEFAULT_MODEL)
    engine = connect(settings.database_url)
    upgrade(engine)
    folder = find_data(settings)
    newest = _newest_card(settings, model)
    if folder is None and newest and _holds(engine, None):
        say("Data: none at hand, and none needed, since model and database are there")
    else:
        _prepare_from(folder or obtain_data(settings), engine, settings, chosen, newest)
    newest = _newest_card(settings, model)
    if newest and newest.data.generated:
        say(SAMPLE_NOTICE)


def _newest_card(settings: Settings, model: str | None) -> Card | None:
    """The card of the newest artifact; None if there is no artifact, or if it is not of the model asked for."""
    newest = artifact.newest(settings.artifacts)
    card = artifact.load_card(newest) if newest else None
    return card if card and model in (None, card.model) else None


def _prepare_from(folder: Path, engine: Engine, settings: Settings, chosen: Preset, newest: Card | None) -> None:
    checksum = dataset.checksum(folder)
    trained = newest is not None and newest.data.holds(checksum)
    loaded = _holds(engine, checksum)
    say(f"Data: {folder}")
    data = None if trained and loaded else dataset.read(folder)
    # The database first: a reason to refuse it should not wait for the training.
    if data is None or loaded:
        say(f"Database: {shown(engine)}, filled with this data before")
    else:
        load_database(data, settings)
    if data is None or trained:
        say(f"Model: {artifact.newest(settings.artifacts)}, trained before")
    else:
        train_model(data, chosen, settings, resume=True)


def _holds(engine: Engine, checksum: str | None) -> bool:
    """Whether the database was filled with the data of this checksum, or with any."""
    with engine.connect() as connection:
        return has_data(connection) if checksum is None else is_loaded(connection, checksum)


def find_data(settings: Settings) -> Path | None:
    """The data folder of the settings unless it is empty, or ``data/ml-1m`` if it is there."""
    if settings.data is not None and not _is_empty(settings.data):
        return settings.data
    return DATA_FOLDER if download.is_data_folder(DATA_FOLDER) else None


def _is_empty(folder: Path) -> bool:
    """An empty folder is what a container has where nothing is mounted."""
    return folder.is_dir() and not any(folder.iterdir())


def obtain_data(settings: Settings) -> Path:
    """Download ML-1M; where that fails, generate the sample and say so loudly."""
    try:
        return download_data(settings)
    except DownloadError as error:
        say(str(error))
    if not download.is_data_folder(SAMPLE_FOLDER):
        say(f"Data: generating a sample into {SAMPLE_FOLDER}")
        write_sample(SAMPLE_FOLDER)
    say(SAMPLE_NOTICE)
    return SAMPLE_FOLDER


def download_data(settings: Settings) -> Path:
    """Download ML-1M to ``data/ml-1m``."""
    urls = (settings.ml1m_url,) if settings.ml1m_url else download.OFFICIAL_URLS
    say(f"Data: downloading MovieLens 1M from {urls[0]}")
    with bar("bytes of ml-1m.zip") as advance:
        download.download(DATA_FOLDER, urls, advance)
    return DATA_FOLDER


def train_model(data: MovieLens, preset: Preset, settings: Settings, *, resume: bool) -> Path:
    """Train a preset on a data set and write an artifact; returns its folder."""
    device = choose_device(settings.device)
    say(
        f"Model: training {preset.name} on {device.type} with the {len(data.ratings):,} ratings of {data.name}, first "
        f"with held-out users, then on all of them"
    )
    try:
        with training_display() as display:
            folder = train(data, preset, settings.artifacts, training_context(data, settings, resume, display))
    except KeyboardInterrupt:
        say(f"Interrupted. Finished epochs are kept: {_way_on(data)} goes on from there.")
        raise
    card = artifact.load_card(folder)
    held_out, lists = card.held_out, card.held_out_lists
    bias = held_out.baselines["bias"]
    say(f"Model: {folder}, test RMSE {held_out.rmse:.4f} (bias model {bias.rmse:.4f})")
    if lists is not None:
        popular = lists.baselines["popularity"]
        say(f"Model: lists for unseen users, NDCG@10 {lists.ndcg_at_10:.4f} (popularity {popular.ndcg_at_10:.4f})")
    if held_out.rmse >= bias.rmse:
        say("Model: it does not beat the bias model; that takes more users or more ratings than this data has")
    return folder


def _way_on(data: MovieLens) -> str:
    if data.name == extract.NAME:
        return "--resume, as long as nothing was written to the database since,"
    return "`seqrec up`, or --resume elsewhere,"


def load_database(data: MovieLens, settings: Settings) -> bool:
    """Migrate the database and fill it; False if it held this data already."""
    engine = connect(settings.database_url)
    upgrade(engine)
    with bar(f"writing ratings to {shown(engine)}") as advance:
        loaded = load(engine, data, advance)
    if loaded:
        say(
            f"Database: {shown(engine)}, loaded {len(data.users):,} users, {len(data.movies):,} movies "
            f"and {len(data.ratings):,} ratings"
        )
    else:
        say(f"Database: {shown(engine)} holds this data already; nothing changed")
    return loaded


def training_context(data: MovieLens, settings: Settings, resume: bool, display: TrainingDisplay) -> TrainingContext:
    """What training on a data set takes; caches and checkpoints lie beside the artifacts."""
    catalogue = data.catalogue
    cache = settings.artifacts / ".cache"
    return TrainingContext(
        catalogue=catalogue,
        titles=lambda: title_vectors(catalogue, cache, display.on_titles),
        bert_titles=lambda: bert_title_vectors(catalogue, settings.bert, cache, display.on_titles),
        device=choose_device(settings.device),
        checkpoints=settings.artifacts / ".checkpoints",
        resume=resume,
        on_fit=display.on_fit,
        on_progress=display.on_progress,
    )
