"""The composition root: puts the app together and serves it."""

import logging
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app import errors, store
from app.database import connect, require_current
from app.routes import operations, page, predictions, recommendations
from app.service import Recommender
from app.settings import Settings
from model import artifact
from model.card import DataSource
from model.device import choose_device
from model.errors import ArtifactError, SettingsError
from model.features import Profile
from model.scorer import Scorer

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Predicts the stars that a user would give a movie, and recommends movies that the user has not rated.

Every error has the same shape: a `code` for programs and a `message` for people.
"""


def create_app(engine: Engine, scorer: Scorer) -> FastAPI:
    """The service over a database with a current schema and a loaded model."""
    app = api()
    app.state.engine = engine
    app.state.recommender = Recommender(sessionmaker(engine), scorer)
    return app


def api() -> FastAPI:
    """Routes and error handlers, with nothing behind them yet."""
    app = FastAPI(
        title="SeqRec",
        version=version("seqrec"),
        description=DESCRIPTION,
        responses=errors.responses(errors.InternalError),
    )
    errors.add_handlers(app)
    for routes in (predictions, recommendations, operations, page):
        app.include_router(routes.router)
    app.mount("/static", page.Assets())
    return app


def from_settings(settings: Settings) -> FastAPI:
    """The service as the settings describe it; refuses a database that is behind and a missing artifact."""
    engine, scorer = loaded(settings)
    scorer.recommend(Profile(), [], scorer.catalogue.movie_ids, n=1)  # the first pass is slow; nobody waits for it
    return create_app(engine, scorer)


def loaded(settings: Settings) -> tuple[Engine, Scorer]:
    """The database and the model of the settings, ready to answer."""
    engine, folder = _requirements(settings)
    scorer = Scorer(artifact.load(folder), choose_device(settings.device))
    _warn_of_other_data(engine, scorer.card.data)
    return engine, scorer


def recommender(settings: Settings) -> Recommender:
    """The use cases alone, for who asks once."""
    engine, scorer = loaded(settings)
    return Recommender(sessionmaker(engine), scorer)


def _requirements(settings: Settings) -> tuple[Engine, Path]:
    """The database, with a current schema, and the newest artifact's folder."""
    engine = connect(settings.database_url)
    require_current(engine)
    folder = artifact.newest(settings.artifacts)
    if folder is None:
        raise ArtifactError(f"There is no trained model in {settings.artifacts}. Run: seqrec train")
    return engine, folder


def _warn_of_other_data(engine: Engine, data: DataSource) -> None:
    """Ids of two data sets mean different movies, so a model should meet the data set that it learned from."""
    with Session(engine) as session:
        loaded = store.datasets(session)
    if loaded and data.checksum not in loaded:
        logger.warning(
            "The model was trained on %s, but the database was filled with %s: predictions may be about other movies",
            data.name,
            ", ".join(loaded.values()),
        )


def from_environment() -> FastAPI:
    """What each of several worker processes builds for itself."""
    return from_settings(Settings())


def require_free_port(settings: Settings) -> None:
    """Raise `SettingsError` if the service could not listen where it should."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"Nothing can listen on {settings.host}:{settings.port} ({error.strerror}). "
                f"Choose another port by SEQREC_PORT, or an address by SEQREC_HOST."
            ) from error


def run(settings: Settings, workers: int) -> None:
    """Serve until interrupted."""
    require_free_port(settings)
    if workers > 1:
        _requirements(settings)[0].dispose()  # refuse here, not in every worker
        uvicorn.run("app.main:from_environment", factory=True, host=settings.host, port=settings.port, workers=workers)
    else:
        config = uvicorn.Config(from_settings(settings), host=settings.host, port=settings.port)
        _AnnouncingServer(config).run()


class _AnnouncingServer(uvicorn.Server):
    """Says what to try as soon as it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            address = f"http://{self.config.host}:{self.config.port}"
            sys.stderr.write(
                f"\nSeqRec is ready: {address} (its API: {address}/docs)\nTry:\n"
                f"  curl '{address}/users/1/recommendations?n=5'\n"
                f"  curl {address}/predict -H 'content-type: application/json' "
                f'-d \'{{"user_id": 1, "movie_ids": [1, 2, 3]}}\'\n\n'
            )
