import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import SMALL, context_for, star_figures
from safetensors.torch import load_file, save_file

from model import legacy
from model.data.dataset import MovieLens
from model.data.splits import Split
from model.errors import ArtifactError
from model.evaluation.batch_scoring import predict
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.files import sha256
from model.inference import artifact
from model.inference.scorer import Scorer
from model.network.config import RankingConfig
from model.training.estimator import SeqRecEstimator

CPU = torch.device("cpu")
FROM_0_1 = Path(__file__).parent / "artifact-0.1"
"""Written by version 0.1, in format 5: SeqRec with a factorization as prior and a part that ranks."""


@pytest.fixture
def copy(artifact_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifact_folder, tmp_path / artifact_folder.name))


def test_a_loaded_network_predicts_what_the_saved_one_did(
    sample: MovieLens, split: Split, artifact_folder: Path, tmp_path: Path
) -> None:
    context = context_for(sample)
    model = SeqRecEstimator(SMALL, context)
    model.fit(split)
    before = model.predict(split.test).stars
    card = artifact.load_card(artifact_folder)

    folder = artifact.save(tmp_path, model.network, context.catalogue, card)

    assert np.array_equal(predict(artifact.load(folder).network, split.test, CPU).stars, before)


def test_the_card_says_where_the_model_comes_from_and_how_good_it_is(artifact_folder: Path, sample: MovieLens) -> None:
    card = artifact.load_card(artifact_folder)

    assert card.data.generated
    assert (card.data.name, card.data.checksum) == ("sample", sample.checksum)
    assert card.data.ratings == len(sample.ratings)
    figures = star_figures(card)
    assert set(figures.baselines) == {"mean", "movie-mean", "bias"}
    assert figures.inductive
    assert 1 <= card.epochs == min(figures.learning_curve, key=lambda epoch: epoch.validation_rmse or 9).number


def test_the_card_tells_how_good_lists_for_unseen_users_are(artifact_folder: Path) -> None:
    card = artifact.load_card(artifact_folder)

    assert card.held_out_lists is not None
    assert (card.held_out_lists.protocol, card.held_out_lists.inductive) == ("user-split", True)
    assert set(card.held_out_lists.baselines) == {"popularity", "item-knn"}
    assert card.ranking_training == SMALL.ranking_training
    assert len(card.held_out_lists.learning_curve) == 2


def test_what_is_served_is_trained_on_all_users(artifact_folder: Path, sample: MovieLens) -> None:
    mean = artifact.load(artifact_folder).network.prior.mean.item()

    assert mean == pytest.approx(sample.ratings["stars"].mean())


def test_the_newest_artifact_is_the_one_made_last(artifact_folder: Path, tmp_path: Path) -> None:
    assert artifact.newest(tmp_path) is None
    for name in ("20260102T000000Z-b", "20260103T000000Z-a", "20260101T000000Z-c"):
        shutil.copytree(artifact_folder, tmp_path / name)

    newest = artifact.newest(tmp_path)

    assert newest is not None
    assert newest.name == "20260103T000000Z-a"


def test_two_trainings_that_end_in_the_same_second_both_keep_their_model(artifact_folder: Path, tmp_path: Path) -> None:
    loaded = artifact.load(artifact_folder)

    first = artifact.save(tmp_path, loaded.network, loaded.catalogue, loaded.card)
    card = loaded.card.model_copy(update={"model": "a"})  # its name alone would come first
    second = artifact.save(tmp_path, loaded.network, loaded.catalogue, card)

    assert first.exists()
    assert artifact.newest(tmp_path) == second


def test_a_killed_write_leaves_the_old_artifact_and_nothing_that_passes_for_a_new_one(
    artifact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = artifact.load(artifact_folder)
    card = loaded.card

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        artifact.save(tmp_path, loaded.network, loaded.catalogue, card)

    assert artifact.newest(tmp_path) is None


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "titles.safetensors", "network.json", "catalogue.json", "card.json"]
)
def test_a_damaged_file_is_refused_by_name(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name} is damaged"):
        artifact.load(copy)


@pytest.mark.parametrize("name", ["weights.safetensors", "card.json"])
def test_a_missing_file_is_refused_by_name(copy: Path, name: str) -> None:
    (copy / name).unlink()

    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        artifact.load(copy)


def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not an artifact"):
        artifact.load(tmp_path)


def test_an_artifact_of_another_format_is_passed_over_when_the_newest_is_looked_for(copy: Path) -> None:
    assert artifact.newest(copy.parent) == copy
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))

    assert artifact.newest(copy.parent) is None


def test_another_format_is_refused_with_both_numbers(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))

    with pytest.raises(ArtifactError, match="has format 99, this version of SeqRec reads 5 to 7"):
        artifact.load(copy)


def test_weights_of_another_size_are_refused(copy: Path) -> None:
    network = json.loads((copy / "network.json").read_text())
    (copy / "network.json").write_text(json.dumps({**network, "embedding": 9}))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["network.json"] = sha256(copy / "network.json")
    (copy / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ArtifactError, match="was not written by this version"):
        artifact.load(copy)


def test_weights_that_are_no_numbers_are_refused(copy: Path) -> None:
    weights = load_file(copy / "weights.safetensors")
    last = [name for name, tensor in weights.items() if tensor.is_floating_point()][-1]
    weights[last].view(-1)[-1] = torch.inf
    save_file(weights, copy / "weights.safetensors")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["weights.safetensors"] = sha256(copy / "weights.safetensors")
    (copy / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ArtifactError, match="weights that are not numbers"):
        artifact.load(copy)


@pytest.fixture(scope="module")
def scorer_from_0_1() -> Scorer:
    return Scorer(artifact.load(FROM_0_1), CPU)


@pytest.fixture(scope="module")
def answers_of_0_1() -> dict[str, list[dict[str, Any]]]:
    """What version 0.1 answered with its artifact."""
    answers: dict[str, list[dict[str, Any]]] = json.loads((FROM_0_1.parent / "answers-0.1.json").read_text())
    return answers


USER_0_1 = UserContext(Profile("F", 25, 3), [Rated(movie_id, float(1 + movie_id % 5)) for movie_id in range(1, 30)])


def test_an_artifact_of_version_0_1_recommends_what_it_did(
    scorer_from_0_1: Scorer, answers_of_0_1: dict[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RankingConfig, "window_step", 1)  # 0.1 read the latest 20 of the 29 ratings
    expected = answers_of_0_1["recommended"]

    recommended = scorer_from_0_1.recommend(
        USER_0_1, range(1, 81), n=20, rank_by="relevance", diversity=0.1, explain=True
    )

    assert [one.movie_id for one in recommended] == [one["movie_id"] for one in expected]
    given = {entry.movie_id: entry.stars for entry in USER_0_1.history}
    mean = sum(given.values()) / len(given)
    for one, before in zip(recommended, expected, strict=True):
        assert one.stars == pytest.approx(before["stars"], abs=2e-4)
        assert one.relevance == pytest.approx(before["relevance"], abs=2e-6)
        # 0.1 named ratings below the user's mean too.
        liked = [movie_id for movie_id, _ in before["reasons"] if given[movie_id] >= mean]
        assert [reason.movie_id for reason in one.reasons or ()][: len(liked)] == liked


def test_an_artifact_of_version_0_1_predicts_what_it_did(
    scorer_from_0_1: Scorer, answers_of_0_1: dict[str, list[dict[str, Any]]]
) -> None:
    expected = answers_of_0_1["predicted"]

    predicted = scorer_from_0_1.predict(USER_0_1, [one["movie_id"] for one in expected])

    for one, before in zip(predicted, expected, strict=True):
        assert one.stars == pytest.approx(before["stars"], abs=2e-4)
        assert one.probabilities == pytest.approx(before["probabilities"], abs=2e-4)


def test_every_weight_of_version_0_1_has_a_name_of_today_and_is_loaded_unchanged() -> None:
    written = load_file(FROM_0_1 / "weights.safetensors")
    loaded = artifact.load(FROM_0_1).network.state_dict()
    mapped = legacy.weights(written)

    assert len(mapped) == len(written)
    assert set(mapped) == set(loaded)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in mapped.items())


def test_the_movies_to_ask_a_newcomer_about_are_kept(artifact_folder: Path, sample: MovieLens) -> None:
    chosen = artifact.load(artifact_folder).first_movies

    assert len(set(chosen)) == len(chosen) == 60
    assert set(chosen) <= set(sample.catalogue.movie_ids)
    assert Scorer(artifact.load(artifact_folder), CPU).first_movies == chosen


def test_an_artifact_from_before_there_were_first_movies_is_read_without_them(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["first_movies.json"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "first_movies.json").unlink()

    assert artifact.load(copy).first_movies == ()
    assert artifact.load(FROM_0_1).first_movies == ()


def test_first_movies_that_are_named_and_gone_or_damaged_are_refused(copy: Path) -> None:
    (copy / "first_movies.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"first_movies\.json is damaged"):
        artifact.load(copy)

    (copy / "first_movies.json").unlink()
    with pytest.raises(ArtifactError, match=r"first_movies\.json is missing"):
        artifact.load(copy)
