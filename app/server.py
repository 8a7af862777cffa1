"""From the settings to a running server: loads database and model, chooses the address, starts the workers."""

import gc
import ipaddress
import logging
import math
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from app.api.dependencies import Services
from app.edge.connections import LimitedConnection
from app.edge.hosts import Hosts
from app.edge.keys import Keys
from app.edge.limits import MIB, Limits
from app.main import create_app
from app.observability import logs, tracing
from app.observability.workers import MULTIPROCESS
from app.services.feedback.kinds import meanings_from
from app.services.model_host import ModelHost
from app.services.models.loading import load_newest_scorer, of_other_data
from app.settings import Settings
from app.storage import models, revisions
from app.storage.database import Database, connect, require_current
from model.card import DataSource
from model.device import choose_device
from model.errors import SettingsError
from model.inference.scorer import Scorer
from model.processes import use_little_memory, use_one_thread

logger = logging.getLogger(__name__)

OBJECTS_UNTIL_COLLECTION = 700
"""Python's own choice, in place of that for commands: what requests leave behind is large, and goes soon."""


def run(settings: Settings) -> None:
    """Serve until interrupted."""
    observe(settings)
    require_free_port(settings)
    host, port = listening_address(settings), settings.port
    options = server_options(settings)
    if settings.workers == 1:
        _AnnouncingServer(uvicorn.Config(from_settings(settings), host=host, port=port, **options)).run()
        return
    _require_start(settings)
    with tempfile.TemporaryDirectory(prefix="seqrec-metrics-") as folder:
        # Workers read their settings from the environment; what they need of the command's options goes there.
        os.environ |= {MULTIPROCESS: folder, "SEQREC_HOST": settings.host}
        uvicorn.run(
            "app.server:from_environment", factory=True, host=host, port=port, workers=settings.workers, **options
        )


def _require_start(settings: Settings) -> None:
    """Raise here, once, what would end every worker as it starts: the supervisor would start others for ever.

    Loading the model takes far less time than a start; not on a GPU, whose memory this process would keep.
    """
    meanings_from(settings.feedback or {})
    choose_device(settings.device)
    engine, _, _ = load(settings.model_copy(update={"device": "cpu"}))
    engine.dispose()


def server_options(settings: Settings) -> dict[str, Any]:
    """The arguments of uvicorn, beside address and workers."""
    proxies = settings.trusted_proxies
    return {
        "log_config": None,
        "http": LimitedConnection,
        "ws": "none",
        "timeout_graceful_shutdown": math.ceil(settings.shutdown_timeout),
        "root_path": settings.root_path or "",
        "forwarded_allow_ips": "*" if "*" in proxies else ["127.0.0.1", "::1", *proxies],
    }


def from_environment() -> FastAPI:
    """The service as each of several worker processes builds it."""
    settings = Settings()
    observe(settings)
    return from_settings(settings)


def observe(settings: Settings) -> None:
    """Begin to log and, if the environment asks for it, to trace; `SettingsError` as for `tracing.configure`."""
    logs.configure(settings.log_level)
    tracing.configure()


def from_settings(settings: Settings) -> FastAPI:
    """The service that the settings describe, warmed up; errors as for `load`."""
    # What the libraries have made stays. A full collection of garbage would look at it all and hold up every request
    # for a fifth of a second; now it takes milliseconds. Models are loaded later: one that goes is still collected.
    gc.freeze()
    gc.set_threshold(OBJECTS_UNTIL_COLLECTION)
    engine, scorer, reloads = load(settings)
    limits = Limits(
        seconds=settings.request_timeout,
        requests=settings.most_requests,
        bulk_body=settings.import_mb * MIB,
        rate=settings.request_rate,
    )
    hosts = Hosts((*settings.hosts, settings.host.lower()), settings.cors_origins)
    app = create_app(
        engine,
        scorer,
        artifacts=settings.artifacts,
        keys=keys_from(settings),
        user_cache=settings.user_cache_mb * MIB,
        limits=limits,
        hosts=hosts,
        drain=settings.drain_time,
        image_url=settings.image_url,
        meanings=meanings_from(settings.feedback or {}),
        event_retention=settings.event_retention,
        keep_models=settings.keep_models,
    )
    services: Services = app.state.services
    services.host.start(reloads)
    services.similar_users.start()
    return app


@contextmanager
def services_from(settings: Settings) -> Iterator[Services]:
    """The use cases without a server, for the command line; errors as for `load`."""
    engine, scorer, _ = load(settings)
    host = ModelHost(Database(engine), scorer, settings.artifacts)
    try:
        host.join_comparison()
        yield Services.over(host, meanings_from(settings.feedback or {}), settings.event_retention)
    finally:
        engine.dispose()


def load(settings: Settings) -> tuple[Engine, Scorer, int]:
    """The database, the model that is pinned or else the newest, and how many reloads there were when it was chosen.

    Raises `DatabaseError` if the schema is not the newest, and `ArtifactError` if there is no model that can be loaded.
    """
    # A request is short: a second thread inside an operator would cost it more than it saves, and other requests too.
    use_one_thread()
    use_little_memory()
    engine = _require_database(settings)
    with Database(engine).reads() as session:
        pinned, reloads = models.pinned(session), revisions.read(session).reloads
    scorer = load_newest_scorer(settings.artifacts, choose_device(settings.device), pinned)
    _warn_of_other_data(engine, scorer.card.data)
    return engine, scorer, reloads


def _require_database(settings: Settings) -> Engine:
    engine = connect(settings.database_url, settings.database_timeout, settings.sqlite_synchronous)
    require_current(engine)
    return engine


def _warn_of_other_data(engine: Engine, data: DataSource) -> None:
    """Warn if model and database are of different data sets."""
    with Database(engine).reads() as session:
        other = of_other_data(session, data)
    if other:
        logger.warning(
            "The model was trained on %s, but the database was filled with %s: predictions may be about other movies",
            data.name,
            other,
        )


def keys_from(settings: Settings) -> Keys:
    admin = settings.admin_key
    return Keys(
        api=tuple(key.get_secret_value() for key in settings.api_keys),
        admin=None if admin is None else admin.get_secret_value(),
    )


def listening_address(settings: Settings) -> str:
    """The address to listen on: only the loopback one, with a warning, if other machines would need no key."""
    if settings.unprotected or keys_from(settings) or _is_loopback(settings.host):
        return settings.host
    loopback = "::1" if ":" in settings.host else "127.0.0.1"
    logger.warning(
        "No keys are set, so the service listens on %s alone, not on %s. Set SEQREC_API_KEYS to serve other machines, "
        "or SEQREC_UNPROTECTED=true if the network restricts access otherwise",
        loopback,
        settings.host,
    )
    return loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_url(host: str, port: int) -> str:
    """Where this machine reaches a server that listens on ``host``, which may mean all addresses."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - replaced, not listened on
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def require_free_port(settings: Settings) -> None:
    """Raise `SettingsError` if the service cannot listen on the address and port of the settings."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"Nothing can listen on {settings.host}:{settings.port} ({error.strerror}). "
                "Choose another port (--port or SEQREC_PORT), or another address (--host or SEQREC_HOST)."
            ) from error


class _AnnouncingServer(uvicorn.Server):
    """Prints the address and two requests to try as soon as it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            address = local_url(self.config.host, self.config.port)
            sys.stderr.write(
                f"\nSeqRec is ready: {address} (its API: {address}/docs)\nTry:\n"
                f"  curl '{address}/users/1/recommendations?limit=5'\n"
                f"  curl {address}/predict -H 'content-type: application/json' "
                f'-d \'{{"user_id": 1, "movie_ids": [1, 2, 3]}}\'\n\n'
            )
