"""What CONTRIBUTING.md and the how-to pages tell to add is added here, from the blocks as they stand, and works."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import builders
import pytest
import torch
from builders import RATING_ONLY, SMALL, context_for
from documents import RUN_ELSEWHERE, Block, blocks, documents
from fastapi import APIRouter
from fastapi.testclient import TestClient
from server import running
from sqlalchemy import Engine

import app.api.routes.movies as routes
import app.services.movies as services
import app.storage.movies as storage
import seqrec.client
import seqrec.schemas.movies as bodies
from app.cli.reference.api import page
from app.jobs.bulk_load import load
from app.main import create_app
from app.storage.database import connect, upgrade
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split, paper_split
from model.inference import artifact
from model.inference.scorer import Scorer
from model.network import branches
from model.pipeline import train
from model.training.presets import PRESETS, Preset
from seqrec import calls

NAMED: dict[str, Block] = {
    block.comment.removeprefix(RUN_ELSEWHERE): block
    for document in documents()
    for block in blocks(document)
    if block.comment.startswith(RUN_ELSEWHERE)
}


def written(name: str, module: ModuleType | None = None, **more: object) -> dict[str, Any]:
    """Runs a named block as if it stood at the end of a module; what the module has then."""
    block = NAMED[name]
    namespace = {**(vars(module) if module else {}), **more}
    exec(compile("\n" * (block.line - 1) + block.text, str(block.document), "exec"), namespace)
    return namespace


@contextmanager
def served(sample: MovieLens, preset: Preset, folder: Path) -> Iterator[TestClient]:
    """The service with the preset, trained and loaded from its artifact."""
    train(sample, preset, folder, context_for(sample))
    newest = artifact.newest(folder)
    assert newest is not None
    engine = connect(f"sqlite:///{folder}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    with TestClient(create_app(engine, Scorer(artifact.load(newest), torch.device("cpu")))) as client:
        yield client
    engine.dispose()


def test_a_branch_is_a_class_and_one_line(sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = written("branch", branches)["PopularityBranch"]
    monkeypatch.setitem(branches.BRANCHES, "popularity", branch)
    written("test of the branch", builders)["test_popularity_is_a_vector_for_each_movie"]()
    names = written("preset with the branch", branches)["network"].branches
    network = SMALL.network.model_copy(update={"branches": names})
    training = SMALL.training.model_copy(update={"epochs": 1})
    with served(sample, SMALL.model_copy(update={"network": network, "training": training}), tmp_path) as client:
        predicted = client.post("/predict", json={"user_id": 1, "movie_ids": [3, 4, 5]}).json()["predictions"]

    assert "popularity" in names
    assert len({one["predicted_stars"] for one in predicted}) == 3


def test_a_branch_of_users_is_a_class_too() -> None:
    branch = written("user branch", branches)["ActivityBranch"]
    tests = written("test of the user branch", builders, pytest=pytest, ActivityBranch=branch)

    tests["test_activity_is_the_length_of_the_history"]()


def test_a_preset_is_a_configuration(sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "narrow", RATING_ONLY)
    written("preset")
    with served(sample, PRESETS["narrow"], tmp_path) as client:
        listed = client.get("/users/1/recommendations?n=5").json()

    assert listed["model"].endswith("-narrow")
    assert (listed["rank_by"], len(listed["recommendations"])) == ("relevance", 5)


def test_a_baseline_is_a_class_with_fit_and_predict(sample: MovieLens, split: Split) -> None:
    UserMean = written("baseline")["UserMean"]  # noqa: N806 - a class
    names = {"UserMean": UserMean, "paper_split": paper_split, "Sequences": Sequences, "pytest": pytest}
    tests = written("test of the baseline", MovieLens=MovieLens, **names)
    tests["test_the_first_prediction_is_the_mean_of_the_first_history"](sample)
    baseline = UserMean()
    baseline.fit(split)
    predicted = baseline.predict(split.test).stars

    assert predicted.shape == split.test.target_stars.shape
    assert len(set(predicted.tolist())) > 5


def test_a_route_goes_from_the_query_to_the_documentation(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = written("query", storage)["count_by_decade"]
    monkeypatch.setattr(storage, "count_by_decade", query, raising=False)
    use_case = written("use case", services)["count_by_decade"]
    monkeypatch.setattr(services.Movies, "count_by_decade", use_case, raising=False)
    body = written("body", bodies)["Decades"]
    router = written("route", routes, router=APIRouter(tags=["movies"]), Decades=body)["router"]
    app = create_app(loaded, scorer)
    app.include_router(router)

    monkeypatch.setattr(calls, "decades", written("call", calls, Decades=body)["decades"], raising=False)
    method = written("client", seqrec.client)["decades"]

    with TestClient(app) as client:
        written("test of the route", TestClient=TestClient)["test_every_movie_belongs_to_a_decade"](client)
    with running(app) as address, seqrec.Client(address) as typed:
        assert sum(method(typed).movies.values()) == 80
    assert "### `GET /decades`\n\nHow many movies each decade has." in page(app.openapi())


def test_every_block_that_is_said_to_be_run_here_is_run() -> None:
    run = re.findall(r"written\(\"([^\"]+)\"", Path(__file__).read_text(encoding="utf-8"))

    assert sorted(run) == sorted(NAMED)
