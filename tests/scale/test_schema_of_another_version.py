"""Processes of two versions on one database: the older runs on a schema that the newer has only added to."""

import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.errors import DatabaseError
from app.main import create_app
from app.storage.database import require_current, upgrade
from model.inference.scorer import Scorer


def expand(engine: Engine) -> None:
    """What a migration of a newer version does that only adds."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE users ADD COLUMN nickname VARCHAR(50)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))


def contract(engine: Engine) -> None:
    """What one does that takes away what this version reads."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE revisions SET oldest_code = '9001'"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9002'"))


def wait_until_ready(client: TestClient) -> None:
    """A probe has a second, which a busy machine may take longer than; whoever asks then asks again."""
    deadline = time.monotonic() + 20
    while (answer := client.get("/health/ready")).status_code != 200:
        assert time.monotonic() < deadline, answer.text


def test_a_schema_that_was_only_added_to_serves_the_older_version(loaded: Engine, scorer: Scorer) -> None:
    with TestClient(create_app(loaded, scorer)) as client:
        expand(loaded)

        require_current(loaded)
        wait_until_ready(client)
        assert client.put("/users/1/ratings/5", json={"stars": 4}).status_code == 200
        assert client.post("/users", json={"age": 30}).status_code == 201
        assert client.get("/users/1/recommendations").status_code == 200


def test_a_schema_that_took_something_away_refuses_the_older_version(loaded: Engine, scorer: Scorer) -> None:
    with TestClient(create_app(loaded, scorer)) as client:
        expand(loaded)
        contract(loaded)

        with pytest.raises(DatabaseError, match="9002 of a newer SeqRec, which no longer serves this version"):
            require_current(loaded)
        assert client.get("/health/ready").json()["code"] == "not_ready"


def test_only_the_newer_version_migrates_its_schema(loaded: Engine) -> None:
    expand(loaded)

    with pytest.raises(DatabaseError, match="If a newer SeqRec created it"):
        upgrade(loaded)


def test_a_schema_that_is_behind_is_refused_however_it_came_about(loaded: Engine) -> None:
    with loaded.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))

    with pytest.raises(DatabaseError, match="at revision 0003, this version of SeqRec needs"):
        require_current(loaded)
