import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.services.catalogue.snapshot import Snapshot
from app.storage import movies, revisions

NAMES = ("Comedy", "Drama", "Film-Noir")


def read_anew(session: Session) -> Snapshot:
    return Snapshot.read(session, revisions.read(session).catalogue)


def write_somewhere(session: Session, random: np.random.Generator) -> None:
    """Add, change or remove a movie or its genres, as the service does it or by a statement of its own."""
    movie_id = int(random.integers(1, 100))
    there = bool(movies.records(session, [movie_id]))
    genres = random.choice(NAMES, size=random.integers(3), replace=False).tolist()
    if not there:
        movies.add(session, movie_id, {"title": f"New {movie_id}", "title_vector": bytes(8)}, genres)
        return
    match random.integers(6):
        case 0:
            movies.change(session, movie_id, {"title": "Other", "title_vector": None}, None)
        case 1:
            movies.change(session, movie_id, {"hidden": True}, genres)
        case 2:
            session.execute(text(f"DELETE FROM movie_genres WHERE movie_id = {movie_id}"))
        case 3:
            session.execute(text(f"UPDATE movies SET year = 1999 WHERE id IN ({movie_id}, {movie_id + 1})"))
        case 4:
            session.execute(text(f"DELETE FROM ratings WHERE movie_id = {movie_id}"))
            session.execute(text(f"DELETE FROM movie_genres WHERE movie_id = {movie_id}"))
            session.execute(text(f"UPDATE movies SET id = {movie_id + 1000} WHERE id = {movie_id}"))
        case _:
            movies.remove(session, movie_id)


def test_rows_that_are_brought_to_a_later_revision_are_those_that_are_read_anew(loaded: Engine) -> None:
    random = np.random.default_rng(0)
    with Session(loaded) as session:
        snapshot = read_anew(session)
    for _ in range(40):
        with Session(loaded) as session, session.begin():
            for _ in range(random.integers(1, 4)):
                write_somewhere(session, random)
        with Session(loaded) as session:
            anew = read_anew(session)
            snapshot = snapshot.brought_to(session, anew.revision)
        assert snapshot == anew
        assert list(snapshot.movies) == list(anew.movies)


def test_of_a_movie_that_has_changed_that_one_alone_is_read(loaded: Engine) -> None:
    with Session(loaded) as session:
        before = read_anew(session)
    with Session(loaded) as session, session.begin():
        movies.change(session, 7, {"title": "Other"}, None)

    with Session(loaded) as session:
        after = before.brought_to(session, revisions.read(session).catalogue)

    assert after.movies[7].title == "Other"
    assert all(movie is before.movies[id_] for id_, movie in after.movies.items() if id_ != 7)


def test_of_very_many_changes_all_movies_are_read(loaded: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movies, "MOST_CHANGED", 3)
    with Session(loaded) as session:
        before = read_anew(session)
    with Session(loaded) as session, session.begin():
        session.execute(text("UPDATE movies SET title = 'Other'"))

    with Session(loaded) as session:
        revision = revisions.read(session).catalogue
        assert movies.changed_since(session, before.revision) is None
        assert before.brought_to(session, revision) == Snapshot.read(session, revision)


@pytest.mark.parametrize("table", ["movies", "movie_genres"])
def test_a_table_that_is_emptied_is_found_empty(loaded: Engine, table: str) -> None:
    # SQLite has no TRUNCATE: there, DELETE is what empties a table.
    empty = f"DELETE FROM {table}" if loaded.dialect.name == "sqlite" else f"TRUNCATE {table} CASCADE"
    with Session(loaded) as session:
        before = read_anew(session)
    with Session(loaded) as session, session.begin():
        session.execute(text(empty))

    with Session(loaded) as session:
        anew = read_anew(session)
        assert before.brought_to(session, anew.revision) == anew
        assert not any(movie.genres for movie in anew.movies.values())
