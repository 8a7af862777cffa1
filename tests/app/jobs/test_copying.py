"""A database moves into another one with all that was made over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import Run
from sqlalchemy import select, text

from app.cli.console import LineReporter
from app.errors import DatabaseError
from app.jobs.transfer.copying import copy_database
from app.services.feedback.events import Events
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.model_host import ModelHost
from app.services.movies import Movies
from app.services.ratings import Ratings
from app.services.users import Users
from app.settings import Settings
from app.storage.database import Database, connect
from app.storage.movies import all_records, free_id
from app.storage.tables import Dataset, Event, Movie, Rating, ServedList, SigningKey, User
from model.features.users import Profile
from model.inference.scorer import Scorer
from seqrec.schemas.events import NewEvent


@contextmanager
def opened(url: str) -> Iterator[Database]:
    engine = connect(url)
    yield Database(engine)
    engine.dispose()


def content(url: str) -> list:
    """All that the database holds but counters of changes and ids of genres."""
    with opened(url) as database, database.reads() as session:
        columns = (
            (User.id, User.external_id, User.gender, User.age, User.occupation),
            (Movie.id, Movie.external_id, Movie.title, Movie.year, Movie.hidden, Movie.title_vector),
            (Movie.id, Movie.imdb_id, Movie.tmdb_id),
            (Rating.user_id, Rating.movie_id, Rating.stars, Rating.rated_at),
            (Event.event_id, Event.user_id, Event.movie_id, Event.kind, Event.occurred_at, Event.list_id),
            (ServedList.recommendation_id, ServedList.user_id, ServedList.served_at),
            (SigningKey.id, SigningKey.key),
            (Dataset.checksum, Dataset.name, Dataset.generated, Dataset.loaded_at, Dataset.scale),
        )
        tables = [session.execute(select(*own).order_by(*own[:2])).all() for own in columns]
        return [*tables, all_records(session), free_id(session, known=())]


@pytest.fixture
def lived_in(filled: Run, scorer: Scorer) -> Settings:
    """Settings of a SQLite database with a user, movies and ratings that came over HTTP."""
    settings = Settings()
    with opened(settings.database_url) as database:
        user = Users(database).add(None, Profile("F", 25), "ann@example.org")
        movies = Movies(ModelHost(database, scorer))
        added = movies.add(None, "Copied (2026)", None, ["Drama", "Noir"], hidden=False, external_id="tt7")[0].movie
        movies.remove(movies.add(None, "Gone (2026)", None, ["Drama"], hidden=False)[0].movie.id)
        movies.change(1, {"hidden": True, "imdb_id": "tt0114709", "tmdb_id": 862}, None)
        Ratings(database).put(user.id, added.id, 4.5, 1_700_000_000)
        ids = RecommendationIds()
        with database.reads() as session:
            ids.prepare(session)
        seen = NewEvent(
            event_id="seen",
            user_id=user.id,
            movie_id=added.id,
            kind="impression",
            recommendation_id=ids.issue(user.id, "model", "relevance"),
        )
        wanted = NewEvent(event_id="wanted", user_id=user.id, movie_id=2, kind="watchlist")
        Events(database, ids).put_all([seen, wanted])
    return settings


def test_users_movies_and_ratings_made_over_http_move_to_another_database(
    lived_in: Settings, database_url: str, tmp_path: Path
) -> None:
    if database_url.startswith("sqlite"):
        database_url = f"sqlite:///{tmp_path}/new/seqrec.db"
    copy_database(lived_in.database_url, Settings(database_url=database_url), LineReporter())

    assert content(database_url) == content(lived_in.database_url)
    with opened(database_url) as database:
        assert Users(database).add(None, Profile()).id == 122  # ids go on where the old ones end


def test_a_database_that_holds_something_is_not_written_into(lived_in: Settings) -> None:
    before = content(lived_in.database_url)

    with pytest.raises(DatabaseError, match="already holds the data set sample"):
        copy_database(lived_in.database_url, lived_in, LineReporter())
    assert content(lived_in.database_url) == before


def test_a_database_of_a_newer_version_is_not_copied_in_part(lived_in: Settings, tmp_path: Path) -> None:
    with opened(lived_in.database_url) as database, database.writes() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))  # of one that serves this one too

    with pytest.raises(DatabaseError, match="at revision 9999 of a newer SeqRec"):
        copy_database(lived_in.database_url, Settings(database_url=f"sqlite:///{tmp_path}/other.db"), LineReporter())


def test_an_interrupted_copy_leaves_nothing_and_is_made_by_the_same_command(
    lived_in: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Settings(database_url=f"sqlite:///{tmp_path}/other.db")
    with monkeypatch.context() as interrupted:
        interrupted.setattr("app.jobs.transfer.rows._carry", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            copy_database(lived_in.database_url, other, LineReporter())

    copy_database(lived_in.database_url, other, LineReporter())
    assert content(other.database_url) == content(lived_in.database_url)


def test_the_command_copies_into_the_database_of_the_settings(filled: Run, lived_in: Settings, tmp_path: Path) -> None:
    filled.monkeypatch.setenv("SEQREC_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    status, _, err = filled("db", "copy", "sqlite:///data/seqrec.db")

    assert status == 0
    assert f"sqlite:///{tmp_path}/other.db: " in err.replace("\n", "")
    assert filled("export")[1].count("\n") == len(content(lived_in.database_url)[3])


def test_a_source_that_is_not_there_is_not_created(filled: Run, tmp_path: Path) -> None:
    filled.monkeypatch.setenv("SEQREC_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    status, _, err = filled("db", "copy", "sqlite:///nowhere.db")

    assert status == 1
    assert "There is no database sqlite:///nowhere.db" in err
    assert not (tmp_path / "nowhere.db").exists()
    assert not (tmp_path / "other.db").exists()


def test_ids_of_genres_go_on_after_the_copied_ones(lived_in: Settings, database_url: str, scorer: Scorer) -> None:
    copy_database(lived_in.database_url, Settings(database_url=database_url), LineReporter())
    with opened(database_url) as database:
        Movies(ModelHost(database, scorer)).change(2, {}, ["A genre of its own"])
        genres = ModelHost(database, scorer).current_state().catalogue.genres
    assert "A genre of its own" in genres
