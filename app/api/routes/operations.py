"""Routes for operators: health, metrics, the model card, and the reload of the model."""

import logging
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import SQLAlchemyError

from app.api import headers, models, online
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.edge.keys import with_admin_key, with_key
from app.edge.routes import BulkRoute, Route
from app.errors import DatabaseError
from app.observability import metrics
from app.services.feedback.online import DAYS
from app.services.model_host import ModelHost
from app.services.scoring import in_bulk_thread
from app.storage.database import require_current, require_room
from seqrec.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    KeyRefused,
    KeyRequired,
    KeyUnknown,
    NotReady,
    ReloadRefused,
    ServiceError,
    StorageFull,
    TooManyRequests,
)
from seqrec.schemas.model import ModelInformation, Models
from seqrec.schemas.online import OnlineMeasurement
from seqrec.schemas.operations import Health, Reloaded

logger = logging.getLogger(__name__)

router = APIRouter(tags=["operations"], route_class=Route)
METRICS = 'seqrec_model_info{version="20261123T220000Z-seqrec"} 1.0\n'

bulk = APIRouter(tags=["operations"], route_class=BulkRoute)
routers = (router, bulk)


@router.get(
    "/health/live",
    summary="Whether the process answers",
    description="Needs no key and asks nobody. Restart the process if it does not answer.",
)
async def check_liveness() -> Health:
    return Health(status="ok")


@router.get(
    "/health/ready",
    summary="Whether the model is loaded, the database reachable, its schema current and its disk not full",
    description="Needs no key, and answers within a second. Send requests while it answers 200.",
    responses=responses(NotReady, DatabaseUnavailable),
)
async def check_readiness(request: Request, services: ServicesDependency) -> Health:
    if request.app.state.draining.began:
        raise NotReady
    try:
        await services.readiness.get(partial(_require_ready, services.host))
    except (DatabaseError, SQLAlchemyError, ServiceError, TimeoutError) as error:
        # Callers do not learn the address of the database.
        logger.error("not ready: %s", str(error) or "the database did not answer in time")
        raise NotReady from error
    return Health(status="ok")


def _require_ready(host: ModelHost) -> None:
    require_current(host.database.engine)
    require_room(host.database.engine)
    host.follow_reloads()  # a balancer asks every process, also one that nobody else asks


@router.get(
    "/metrics",
    summary="Requests, times and the model's version, for Prometheus",
    description="In Prometheus' text format, and needs no key. With several workers it is the sum of all.",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": METRICS}}}},
)
async def get_metrics(services: ServicesDependency) -> Response:
    training = services.host.training()  # from a file, like the metrics of other workers: nothing here waits
    services.online.follow()
    state = training.state if training else None
    metrics.record_training(training.share if training and state == "running" else None, failed=state == "failed")
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get(
    "/model",
    summary="The served model with its card, what it is compared with, and how far the training of the next one is",
    description="Training data, settings and measured quality. It says nothing of the service's users.",
    response_model=ModelInformation,
    responses=headers.described(200, "ETag") | responses(KeyRequired, KeyUnknown, TooManyRequests),
    dependencies=[with_key],
)
def get_model(request: Request, services: ServicesDependency) -> Response:
    services.host.follow_reloads()  # whoever waits for a new model asks here
    scorer, comparison, training = services.host.model, services.host.comparison, services.host.training()
    body = ModelInformation(
        version=scorer.version,
        device=scorer.device.type,
        sample_data=scorer.card.data.generated,
        card=models.model_card(scorer.card),
        training=None if training is None else models.training(training),
        comparison=None if comparison is None else models.comparison(comparison),
    )
    tag = headers.entity_tag(scorer.version, body.training, body.comparison)
    return headers.conditional(request, tag, body, headers.SHARED)


@bulk.get(
    "/model/online",
    summary="How good the served lists were, from what users did afterwards",
    description="For the lists whose impressions came as events (`POST /events`) with their `recommendation_id`: hits, "
    "NDCG, coverage, popularity and the time to the first hit, with 95 % intervals, by version of the model and by "
    "order. It is measured at most once a minute, and names no user.",
    responses=responses(KeyRequired, KeyUnknown, TooManyRequests, InvalidRequest, DatabaseUnavailable),
    dependencies=[with_key],
)
async def get_online_measurement(
    services: ServicesDependency,
    days: Annotated[int, Query(ge=1, le=365, description="How many of the last days' lists to measure.")] = DAYS,
) -> OnlineMeasurement:
    return online.measurement(await in_bulk_thread(services.online.measure, days))


@router.get(
    "/models",
    summary="The trained models that are there, the ones that were served, and rounds of retraining",
    description="The newest first. `seqrec model serve VERSION` goes back to one of them.",
    responses=responses(KeyRequired, KeyUnknown, TooManyRequests, DatabaseUnavailable),
    dependencies=[with_key],
)
def list_models(services: ServicesDependency) -> Models:
    services.host.follow_reloads()
    return models.all_models(services.models.read(), services.host.model.version)


@bulk.post(
    "/admin/reload",
    summary="Serve the newest artifact, or the pinned one, without dropping a request",
    description="All worker processes follow. If that artifact is damaged, the current one stays in use. Of older "
    "artifacts, as many are kept as `SEQREC_KEEP_MODELS` says.",
    responses=responses(
        KeyRequired, KeyUnknown, KeyRefused, ReloadRefused, TooManyRequests, DatabaseUnavailable, StorageFull
    ),
    dependencies=[with_admin_key],
)
def reload_model(services: ServicesDependency) -> Reloaded:
    before, version = services.host.reload()
    return Reloaded(before=before, version=version)
