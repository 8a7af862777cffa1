"""The routes to compare with: FastAPI answers the same JSON, asynchronously, from a dict. Nothing else happens."""

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

ANSWERS = "BENCH_ANSWERS"
"""The environment variable that names a JSON file with the answers, by route."""

LIST, PREDICTION = "list", "prediction"


def create_app() -> FastAPI:
    answers: dict[str, Any] = json.loads(Path(os.environ[ANSWERS]).read_text())
    recommendations, predictions = answers[LIST], answers[PREDICTION]
    app = FastAPI()

    @app.get("/users/{user_id}/recommendations", response_model=None)
    async def recommend(user_id: int, limit: int = 10) -> dict[str, Any]:  # noqa: ARG001 - parsed, as by the service
        return recommendations  # type: ignore[no-any-return]

    @app.post("/predict", response_model=None)
    async def predict(body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - parsed, not validated
        return predictions  # type: ignore[no-any-return]

    return app
