from fastapi import APIRouter

from app.database import require_current
from app.dependencies import EngineDependency, RecommenderDependency
from app.errors import DatabaseError, NotReady, responses
from app.schemas import Health, ModelInformation

router = APIRouter(tags=["operations"])


@router.get("/health/live", summary="Whether the process answers")
async def live() -> Health:
    return Health(status="ok")


@router.get(
    "/health/ready",
    summary="Whether the model is loaded, the database reachable and its schema current",
    responses=responses(NotReady),
)
def ready(engine: EngineDependency) -> Health:
    try:
        require_current(engine)
    except DatabaseError as error:
        raise NotReady(str(error)) from error
    return Health(status="ok")


@router.get("/model", summary="The model that is served, with its card")
def model(recommender: RecommenderDependency) -> ModelInformation:
    scorer = recommender.scorer
    return ModelInformation(
        version=scorer.version,
        device=scorer.device.type,
        sample_data=scorer.card.data.generated,
        card=scorer.card,
    )
