"""Users with known tastes are played against real services, in small."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import Run
from server import running
from sqlalchemy import Engine

from app.jobs.simulation.players import FEWEST, KNOWN, Player, cast, write_first
from app.jobs.simulation.report import verdict
from app.jobs.simulation.service import Service
from app.jobs.simulation.sessions import PlayerSession, SessionScore, play
from app.jobs.simulation.simulate import Round
from app.main import create_app
from model.data import dataset
from model.data.sample import write_sample
from model.errors import DataError, SeqRecError
from model.features.users import Profile
from model.inference.scorer import Scorer
from seqrec.client import Client
from seqrec.schemas.recommendations import Recommendation, Recommendations


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users with enough ratings to play."""
    folder = tmp_path_factory.mktemp("players") / "sample"
    write_sample(folder, users=160, movies=250, seed=3)
    return folder


def a_list(*movie_ids: int) -> Recommendations:
    entries = [Recommendation.model_construct(movie_id=movie_id) for movie_id in movie_ids]  # type: ignore[call-arg]
    return Recommendations.model_construct(recommendation_id="a", recommendations=entries)  # type: ignore[call-arg]


def player(**later: float) -> Player:
    """Who has rated movies 1 to 10 before, and will rate others: m20=4 gives movie 20 four stars."""
    known = dict.fromkeys(range(1, KNOWN + 1), 3.0)
    return Player(7, Profile("F", 25, 3), known | {int(name[1:]): stars for name, stars in later.items()})


def test_players_come_in_the_order_of_their_first_ratings_and_bring_them_in_their_order(folder: Path) -> None:
    data = dataset.read(folder)
    first = dict(data.ratings.group_by("user_id").min().select("user_id", "rated_at").rows())
    played = cast(folder, rounds=2, users=20)

    everyone = [*played.first, *(one for newcomers in played.rounds for one in newcomers)]
    assert [len(one) for one in (played.first, *played.rounds)] == [20, 20, 20]
    assert len({one.user_id for one in everyone}) == 60
    times = [first[one.user_id] for one in everyone]
    assert times == sorted(times)
    given = {(user, movie): at for user, movie, at in data.ratings.select("user_id", "movie_id", "rated_at").rows()}
    for one in everyone:
        assert len(one.tastes) >= FEWEST
        own = [given[one.user_id, movie_id] for movie_id in one.tastes]
        assert own == sorted(own)


def test_too_few_players_and_another_form_of_data_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer --users or --rounds"):
        cast(folder, rounds=10, users=100)
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    with pytest.raises(DataError, match="form of MovieLens 1M"):
        cast(tmp_path, rounds=2, users=20)


def test_the_first_users_folder_has_their_first_ratings_alone(folder: Path, tmp_path: Path) -> None:
    players = cast(folder, rounds=2, users=20).first
    write_first(players, folder, tmp_path / "first")

    data = dataset.read(tmp_path / "first")
    assert set(data.users["user_id"]) == {one.user_id for one in players}
    assert len(data.movies) == len(dataset.read(folder).movies)
    for one in players:
        own = {movie for user, movie in data.ratings.select("user_id", "movie_id").rows() if user == one.user_id}
        assert own == set(list(one.tastes)[: FEWEST - KNOWN])


def test_who_reads_a_list_clicks_what_will_be_liked_rates_what_is_known_and_finds_other_movies() -> None:
    session = PlayerSession(player(m20=5, m21=2, m22=4, m23=3))
    events, ratings = session.read(a_list(90, 20, 21, 91))

    assert [(one.movie_id, one.kind, one.position) for one in events] == [
        (90, "impression", 1), (20, "impression", 2), (21, "impression", 3), (91, "impression", 4), (20, "click", None)
    ]  # fmt: skip
    assert [(one.movie_id, one.stars) for one in ratings] == [(20, 5), (21, 2), (22, 4), (23, 3)]
    events, ratings = session.read(a_list(20))  # which is rated by now
    assert [one.kind for one in events] == ["impression"]
    assert ratings == []
    # A hit in the second place of the first list, 1 / log2(3); none in the second list.
    assert session.score()[:3] == (7, 5, 1)
    assert session.score().ndcg == pytest.approx(0.6309 / 2, abs=1e-4)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_counted_is_what_the_service_measures_online(loaded: Engine, scorer: Scorer, folder: Path) -> None:
    players = [one._replace(user_id=10_000 + one.user_id) for one in cast(folder, rounds=2, users=20).first]
    players = [one._replace(tastes={id_: s for id_, s in one.tastes.items() if id_ <= 80}) for one in players]
    sessions: list[int] = []

    with running(create_app(loaded, scorer)) as address, Client(address) as service:
        shown = play(service, players, sessions.append)
        overall = service.online_measurement().overall

    assert sessions == [1, 2, 3]
    assert (overall.users, overall.lists) == (20, 60)
    assert overall.hit_rate is not None
    assert overall.ndcg is not None
    assert overall.impressions == sum(one.shown for one in shown)
    assert overall.hit_rate.value == pytest.approx(sum(one.hits for one in shown) / overall.impressions, abs=1e-4)
    assert overall.ndcg.value == pytest.approx(sum(one.ndcg for one in shown) / 20, abs=1e-4)
    assert overall.hit_rate.value > 0


def a_round(loop: float, frozen: float) -> Round:
    return Round(
        1000,
        [SessionScore(user, 10, 1, loop + user % 7 / 100) for user in range(100)],
        [SessionScore(user, 10, 1, frozen + user % 5 / 100) for user in range(100)],
        None,
    )


@pytest.mark.parametrize(
    ("loop", "frozen", "said"),
    [(0.4, 0.3, "The loop learns"), (0.3, 0.4, "The loop does harm"), (0.3, 0.31, "No gain is shown")],
)
def test_the_verdict_is_what_the_figures_say_and_the_first_round_counts_for_nothing(
    loop: float, frozen: float, said: str
) -> None:
    assert verdict([a_round(0.9, 0.1), a_round(loop, frozen)]).startswith(said)


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SeqRecError, match=r"seqrec db load nowhere has failed: nowhere"):
        Service(tmp_path).run("db", "load", "nowhere")


def test_an_interruption_that_comes_while_a_process_starts_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Service(tmp_path).run("serve", "--port", "0")

    assert started[0].poll() is not None


@pytest.mark.slow
def test_the_loop_learns_on_generated_data(
    seqrec: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "SEQREC_API_KEYS", "SEQREC_DATABASE_URL"):
        monkeypatch.setenv(name, str(tmp_path / "own"))  # no setting of the user's reaches the services
    (tmp_path / "own").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)

    status, out, err = seqrec("simulate", "--data", folder, "--out", "results", "--rounds", 3, "--users", 28)

    assert status == 0, err
    report = Path(out.strip()).read_text()
    assert "**The loop learns: NDCG" in report
    assert Path("results/simulation.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.split("|") for line in report.splitlines() if line.startswith(("| 1 |", "| 2 |", "| 3 |"))]
    assert len(rows) == 3
    assert rows[0][3] == rows[0][4]  # in the first round, both services have one model
    assert rows[1][3] > rows[1][4]
    assert "Round 3 of 3" in err
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.slow
def test_an_interruption_ends_all_processes_and_removes_the_folder(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from app.cli import main; main()", "simulate", "--data", str(folder)]
    options: dict[str, Any] = {"cwd": Path(__file__).parents[3], "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        [*command, "--rounds", "2", "--users", "30", "--out", str(tmp_path / "out")],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        **options,
    )
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("seqrec-simulation-*/loop/log.txt")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "Traceback" not in said
    assert list(tmp_path.glob("seqrec-simulation-*")) == []
    assert not [one for one in Path("/proc").glob("[0-9]*/cwd") if str(tmp_path) in _target(one)]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
