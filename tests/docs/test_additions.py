"""What CONTRIBUTING.md and the how-to pages tell to add is added here, from the blocks as they stand, and works."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from builders import RATING_ONLY, SMALL, context_for
from documents import RUN_ELSEWHERE, Block, blocks, documents
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import app.api.movies as routes
import app.services.movies as services
import app.storage.movies as storage
import seqrec.schemas.movies as bodies
from app.cli.api_reference import page
from app.main import create_app
from model.data.dataset import MovieLens
from model.data.splits import Split
from model.features.users import Profile, Rated
from model.inference import artifact
from model.inference.scorer import Scorer
from model.network import branches
from model.pipeline import train
from model.training.presets import PRESETS, Preset

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


def served(sample: MovieLens, preset: Preset, folder: Path) -> Scorer:
    """The preset, trained and loaded as the service loads it."""
    train(sample, preset, folder, context_for(sample))
    newest = artifact.newest(folder)
    assert newest is not None
    return Scorer(artifact.load(newest), torch.device("cpu"))


def test_a_branch_is_a_class_and_one_line(sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = written("branch", branches)["PopularityBranch"]
    monkeypatch.setitem(branches.BRANCHES, "popularity", branch)
    names = written("preset with the branch", branches)["network"].branches
    network = SMALL.network.model_copy(update={"branches": names})
    training = SMALL.training.model_copy(update={"epochs": 1})
    scorer = served(sample, SMALL.model_copy(update={"network": network, "training": training}), tmp_path)

    assert "popularity" in names
    with_history = scorer.predict(Profile(), [Rated(1, 5.0), Rated(2, 1.0)], [3, 4, 5])
    assert len({one.stars for one in with_history}) == 3


def test_a_preset_is_a_configuration(sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "narrow", RATING_ONLY)
    written("preset")
    scorer = served(sample, PRESETS["narrow"], tmp_path)

    assert scorer.card.model == "narrow"
    assert len(scorer.recommend(Profile(), [Rated(1, 5.0)], range(1, 81), n=5)) == 5


def test_a_baseline_is_a_class_with_fit_and_predict(split: Split) -> None:
    baseline = written("baseline")["UserMean"]()
    baseline.fit(split)
    predicted = baseline.predict(split.test).stars
    first = split.test.histories().stars[: split.test.history_lengths[0]]

    assert predicted.shape == split.test.target_stars.shape
    assert predicted[0] == pytest.approx(first.mean())
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

    with TestClient(app) as client:
        counted = client.get("/decades").json()["movies"]

    assert sum(counted.values()) == 80
    assert list(counted) == sorted(counted)
    assert "### `GET /decades`\n\nHow many movies each decade has." in page(app.openapi())


def test_every_block_that_is_said_to_be_run_here_is_run() -> None:
    run = re.findall(r"written\(\"([^\"]+)\"", Path(__file__).read_text(encoding="utf-8"))

    assert sorted(run) == sorted(NAMED)
