"""A client that is generated from the API's description can call all of the API."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import running

from app.edge.keys import Keys
from app.jobs.bulk_load import load
from app.main import api, create_app
from app.storage.database import connect, upgrade
from model.data.dataset import MovieLens
from model.inference.scorer import Scorer

KEY = "chief"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package `generated`."""
    folder = tmp_path_factory.mktemp("generated")
    description = folder / "openapi.json"
    description.write_text(json.dumps(api().openapi()))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    subprocess.run(
        [*command, "--path", str(description), "--output-path", str(folder / "generated")],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return folder


@pytest.fixture
def address(sample: MovieLens, scorer: Scorer, artifact_folder: Path, tmp_path: Path) -> Iterator[str]:
    """A service with a key and a folder of artifacts, so that there is something to reload."""
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    shutil.copytree(artifact_folder, tmp_path / "artifacts" / artifact_folder.name)
    app = create_app(engine, scorer, artifacts=tmp_path / "artifacts", keys=Keys(admin=KEY))
    with running(app) as address:
        yield address
    engine.dispose()


CALL_EVERYTHING = """
import importlib, io, json, pkgutil, sys

from generated import AuthenticatedClient, api, models
from generated.types import File

address, key = sys.argv[1:]
client = AuthenticatedClient(
    base_url=address, token=key, prefix="", auth_header_name="X-API-Key", raise_on_unexpected_status=True, timeout=60
)
operations = {
    name: importlib.import_module(f"{package.__name__}.{name}")
    for package in (importlib.import_module(f"generated.api.{tag.name}") for tag in pkgutil.iter_modules(api.__path__))
    for _, name, _ in pkgutil.iter_modules(package.__path__)
}
called = {}

def call(name, *arguments, **options):
    answer = operations[name].sync_detailed(*arguments, client=client, **options)
    assert answer.status_code < 300, (name, answer.status_code, answer.content)
    called[name] = answer.status_code
    return answer.parsed

for name in ("check_liveness", "check_readiness", "get_metrics", "get_model", "list_models", "list_genres"):
    call(name)
call("list_popular_movies")
assert len(call("list_first_movies", limit=3).movies) == 3
call("reload_model")

user = call("create_user", body=models.NewUser(gender="F", age=25)).user_id
assert call("get_user", user).age == 25
assert len(call("list_users", limit=2).users) == 2
assert call("update_user", user, body=models.ProfileChange(age=30)).age == 30
assert call("put_rating", user, 1, body=models.StarsGiven(stars=4.5)).stars == 4.5
many = models.NewRatings(ratings=[models.NewRating(user_id=user, movie_id=id_, stars=3) for id_ in (2, 3)])
assert call("put_ratings", body=many).written == 2
lines = b"".join(b'{"user_id": %d, "movie_id": %d, "stars": 5}\\n' % (user, id_) for id_ in (4, 5, 6))
assert call("import_ratings", body=File(payload=io.BytesIO(lines))).written == 3
table = b"Title,Year,Rating\\nNo Such Film,1931,4\\n"
assert len(call("import_user_ratings", user, body=File(payload=io.BytesIO(table)), preview=True).not_found) == 1
exported = [json.loads(line) for line in call("export_ratings").payload.read().splitlines()]
assert {rating["movie_id"] for rating in exported if rating["user_id"] == user} == {1, 2, 3, 4, 5, 6}
assert len(call("list_user_ratings", user).ratings) == 6

history = [models.HistoryRating(movie_id=1, stars=4)]
assert len(call("recommend_for_user", user, limit=5, genre=["Drama"], explain=True).recommendations) == 5
assert call("recommend_anonymous", body=models.RecommendationRequest(history=history, limit=3)).based_on == "history"
lists = call("recommend_for_users", body=models.BatchRequest(user_ids=[1, user], limit=3)).lists
assert [(one.user_id, len(one.recommendations)) for one in lists] == [(1, 3), (user, 3)]
people = [models.GroupMember(user_id=1), models.GroupMember(history=history)]
in_turns = models.GroupRequestStrategy("fairness")
group = call("recommend_to_group", body=models.GroupRequest(members=people, strategy=in_turns, limit=2))
assert [entry.chosen_by for entry in group.recommendations] == [0, 1]
assert len(call("rank_movies", body=models.RankRequest(movie_ids=[7, 8], user_id=user)).recommendations) == 2
assert call("predict_ratings", body=models.PredictionRequest(user_id=user, movie_ids=[7])).predictions[0].movie_id == 7
call("list_similar_users", user, limit=2)

wanted = models.NewEvent(user_id=user, movie_id=9, kind=models.NewEventKind("watchlist"))
assert call("write_events", body=models.NewEvents(events=[wanted])).written == 1
line = b'{"user_id": %d, "movie_id": 10, "kind": "like"}\\n' % user
assert call("import_events", body=File(payload=io.BytesIO(line))).written == 1
assert [movie.movie_id for movie in call("list_watchlist", user).movies] == [9]
events = [json.loads(line) for line in call("export_events").payload.read().splitlines()]
assert [event["kind"] for event in events if event["user_id"] == user] == ["watchlist", "like"]
assert call("get_online_measurement").days == 30
call("delete_rating", user, 1)
call("delete_user", user)

movie = call("create_movie", body=models.NewMovie(title="Generated (2020)", genres=["Drama"])).movie_id
assert call("get_movie", movie).title == "Generated (2020)"
assert call("update_movie", movie, body=models.MovieChange(hidden=True)).hidden
assert call("search_movies", q="generated").movies[0].movie_id == movie
assert len(call("list_similar_movies", 1, limit=2).similar) == 2
call("delete_movie", movie)

assert set(called) == set(operations)
print(json.dumps(sorted(called)))
"""


def test_a_generated_client_calls_every_operation(generated: Path, address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL_EVERYTHING, address, KEY],
        cwd=generated,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    described = [operation["operationId"] for path in api().openapi()["paths"].values() for operation in path.values()]
    assert json.loads(done.stdout) == sorted(described)


def test_operations_have_the_names_of_their_handlers() -> None:
    for path, methods in api().openapi()["paths"].items():
        for operation in methods.values():
            verb, _, noun = operation["operationId"].partition("_")
            assert noun, path
            assert verb in {
                *("check", "create", "delete", "export", "get", "import", "list"),
                *("predict", "put", "rank", "recommend", "reload", "search", "update", "write"),
            }, path
