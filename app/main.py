"""The composition root: puts the app together and serves it."""

import ipaddress
import logging
import os
import socket
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy import Engine

from app.api import error_handlers, movies, operations, page, predictions, ratings, recommendations, users
from app.api.dependencies import Services
from app.api.middleware import Requests
from app.api.security import Keys, with_key
from app.observability import logs, metrics
from app.services.model_host import ModelHost
from app.settings import Settings
from app.storage.database import Database, connect, require_current
from app.storage.movies import datasets
from model.card import DataSource
from model.device import choose_device
from model.errors import ArtifactError, SettingsError
from model.inference import artifact
from model.inference.scorer import Scorer
from seqrec.errors import InternalError, KeyRefused, KeyRequired

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Predicts the stars that a user would give a movie, and recommends movies that the user has not rated.

Every error has the same shape: a `code` for programs and a `message` for people. Beside those of its routes, any path
may answer `not_found`, `method_not_allowed`, `conflict` (another request has changed what this one needs: try again)
or `http_error` (a body that cannot be read at all). Every answer has the headers
`X-Request-ID`, taken over from the request if it has one, and `X-Model-Version`. A service with keys wants one in the
header `X-API-Key`.
"""


def create_app(engine: Engine, scorer: Scorer, artifacts: Path | None = None, keys: Keys = Keys()) -> FastAPI:  # noqa: B008 - a tuple cannot be changed
    """The service over a database with a current schema and a loaded model; ``artifacts`` has newer ones."""
    app = api()
    host = ModelHost(Database(engine), scorer, artifacts)
    app.state.services = Services.over(host)
    app.state.keys = keys
    app.add_middleware(Requests, version=lambda: host.model.version, guarded=not keys)
    return app


def api() -> FastAPI:
    """Routes and error handlers, with nothing behind them yet."""
    app = FastAPIOffline(
        title="SeqRec",
        version=version("seqrec"),
        description=DESCRIPTION,
        responses=error_handlers.responses(InternalError),
        redoc_url=None,
        static_url="/static-docs",
        favicon_url="/static/icon.svg",
        generate_unique_id_function=lambda route: route.name,  # so that generated clients have readable names
    )
    error_handlers.add_handlers(app)
    for routes in (predictions, recommendations, users, ratings, movies):
        app.include_router(
            routes.router,
            dependencies=[with_key],
            responses=error_handlers.responses(KeyRequired, KeyRefused),
        )
    for routes in (operations, page):
        app.include_router(routes.router)
    app.mount("/static", page.Assets())
    return app


def from_settings(settings: Settings) -> FastAPI:
    """The service as the settings describe it; refuses a database that is behind and a missing artifact."""
    engine, scorer = loaded(settings)
    app = create_app(engine, scorer, settings.artifacts, keys_of(settings))
    app.state.services.host.warm_up()
    return app


def keys_of(settings: Settings) -> Keys:
    admin = settings.admin_key
    return Keys(
        api=tuple(key.get_secret_value() for key in settings.api_keys),
        admin=None if admin is None else admin.get_secret_value(),
    )


def loaded(settings: Settings) -> tuple[Engine, Scorer]:
    """The database and the model of the settings, ready to answer."""
    engine, folder = _requirements(settings)
    scorer = Scorer(artifact.load(folder), choose_device(settings.device))
    _warn_of_other_data(engine, scorer.card.data)
    return engine, scorer


def services(settings: Settings) -> Services:
    """The use cases alone, for who asks once."""
    engine, scorer = loaded(settings)
    return Services.over(ModelHost(Database(engine), scorer, settings.artifacts))


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
    with Database(engine).reads() as session:
        found = datasets(session)
    if found and not any(data.holds(checksum) for checksum in found):
        logger.warning(
            "The model was trained on %s, but the database was filled with %s: predictions may be about other movies",
            data.name,
            ", ".join(found.values()),
        )


def from_environment() -> FastAPI:
    """What each of several worker processes builds for itself."""
    logs.configure()
    return from_settings(Settings())


def listening_address(settings: Settings) -> str:
    """The address to listen on: the loopback one, said aloud, where others would be served without a key."""
    if settings.unprotected or keys_of(settings) or _is_loopback(settings.host):
        return settings.host
    loopback = "::1" if ":" in settings.host else "127.0.0.1"
    logger.warning(
        "No keys are set, so the service listens on %s alone, not on %s. Set SEQREC_API_KEYS to serve other machines, "
        "or SEQREC_UNPROTECTED=true where something else keeps strangers away",
        loopback,
        settings.host,
    )
    return loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
    logs.configure()
    require_free_port(settings)
    host, port = listening_address(settings), settings.port
    if workers == 1:
        config = uvicorn.Config(from_settings(settings), host=host, port=port, log_config=None)
        _AnnouncingServer(config).run()
        return
    _requirements(settings)[0].dispose()  # refuse here, not in every worker
    with tempfile.TemporaryDirectory(prefix="seqrec-metrics-") as folder:
        os.environ[metrics.MULTIPROCESS] = folder
        uvicorn.run("app.main:from_environment", factory=True, host=host, port=port, workers=workers, log_config=None)


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
