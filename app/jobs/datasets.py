"""Finds, downloads or generates the data to start with."""

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from app.errors import DataBusy
from app.jobs.reporter import Reporter
from app.settings import Settings
from app.storage.locks import lock
from model.data import download
from model.data.sample import write_sample
from model.errors import DownloadError

DATA_FOLDER = Path("data/ml-1m")
SAMPLE_FOLDER = Path("data/sample")

SAMPLE_NOTICE = """\
  *********************************************************************************
  *  NOT REAL DATA: movies, users and ratings of this service are made up.        *
  *  For real data, set SEQREC_DATA to the folder of a MovieLens data set, or     *
  *  run `seqrec data get` where there is a network; then start with an empty     *
  *  database: set SEQREC_DATABASE_URL to a new one, or with Docker run           *
  *  `docker compose down --volumes`.                                             *
  *********************************************************************************"""


def find_data(settings: Settings) -> Path | None:
    """The data folder of the settings unless it is empty, otherwise ``data/ml-1m`` if it exists."""
    if settings.data is not None and not _is_empty(settings.data):
        return settings.data
    return DATA_FOLDER if download.is_data_folder(DATA_FOLDER) else None


def _is_empty(folder: Path) -> bool:
    """A container has an empty folder where nothing is mounted."""
    return folder.is_dir() and not any(folder.iterdir())


def obtain_data(settings: Settings, reporter: Reporter) -> Path:
    """Download ML-1M; if that fails, generate the sample, with a notice that cannot be overlooked. `DataBusy`."""
    try:
        return download_data(settings, reporter)
    except DownloadError as error:
        reporter.message(str(error))
    with _alone_in(SAMPLE_FOLDER.parent):
        if not download.is_data_folder(SAMPLE_FOLDER):
            reporter.message(f"Data: generating a sample into {SAMPLE_FOLDER}")
            write_sample(SAMPLE_FOLDER)
    reporter.message(SAMPLE_NOTICE)
    return SAMPLE_FOLDER


def download_data(settings: Settings, reporter: Reporter) -> Path:
    """Download ML-1M to ``data/ml-1m``; `DownloadError`, or `DataBusy` if another process does that."""
    urls = (settings.ml1m_url,) if settings.ml1m_url else download.OFFICIAL_URLS
    reporter.message(f"Data: downloading MovieLens 1M from {urls[0]}")
    with _alone_in(DATA_FOLDER.parent):
        download.download(DATA_FOLDER, urls, lambda done, total: reporter.progress("bytes of ml-1m.zip", done, total))
    return DATA_FOLDER


def _alone_in(folder: Path) -> AbstractContextManager[None]:
    return lock(folder / ".lock", partial(DataBusy, folder))
