"""A whole service goes into one file and comes out of it, into either kind of database."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from command import Run
from sqlalchemy import Engine, select, text, update

from app.errors import ArchiveError, DatabaseError
from app.jobs.transfer.archive import Contents, opened, writing
from app.jobs.transfer.backup import back_up, restore
from app.jobs.transfer.rows import schema, tables
from app.services.feedback.events import Events
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.model_host import ModelHost
from app.services.models.collection import Models
from app.services.movies import Movies
from app.services.ratings import Ratings
from app.services.users import Users
from app.settings import Settings
from app.storage.database import Database, connect, current_revision, newest_revision, upgrade
from app.storage.models import pinned
from app.storage.movies import free_id
from app.storage.tables import Dataset
from model.errors import ArtifactError
from model.features.users import Profile
from model.inference import artifact
from model.inference.scorer import Scorer
from model.object_store import ObjectStore
from seqrec.schemas.events import NewEvent


class Silent:
    """A reporter that keeps the messages, and may do something at each stage."""

    def __init__(self, at_stage: Callable[[str], object] = lambda _: None) -> None:
        self.messages: list[str] = []
        self.at_stage = at_stage

    def message(self, text: str) -> None:
        self.messages.append(text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        self.at_stage(stage)


def content(url: str) -> dict[str, list]:
    """The rows of every table, but for what triggers count."""
    engine = connect(url)
    with engine.connect() as connection:
        rows = {
            table.name: list(
                connection.execute(
                    select(*(own for own in table.columns if own.name != "revision")).order_by(
                        *table.primary_key.columns
                    )
                )
            )
            for table in tables()
        }
    engine.dispose()
    return rows


def revision(url: str) -> str | None:
    engine = connect(url)
    try:
        return current_revision(engine)
    finally:
        engine.dispose()


@pytest.fixture
def lived_in(loaded: Engine, scorer: Scorer, artifact_folder: Path, tmp_path: Path) -> Settings:
    """Settings of a service with users, movies and ratings that came over HTTP, and a pinned model."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(artifact_folder, artifacts / artifact_folder.name)
    database = Database(loaded)
    user = Users(database).add(None, Profile("F", 25), "ann@example.org")
    movies = Movies(ModelHost(database, scorer))
    added = movies.add(None, 'Copied, "twice"\n(2026)', None, ["Drama", "Noir"], hidden=False)[0].movie
    movies.remove(movies.add(None, "Gone (2026)", None, ["Drama"], hidden=False)[0].movie.id)
    movies.change(1, {"hidden": True, "imdb_id": "tt0114709", "tmdb_id": 862}, None)
    Ratings(database).put(user.id, added.id, 4.5, 1_700_000_000)
    ids = RecommendationIds()
    with database.reads() as session:
        ids.prepare(session)
    named = {"movie_id": added.id, "user_id": user.id, "recommendation_id": ids.issue(user.id, "model", "relevance")}
    seen = NewEvent(event_id="seen", kind="impression", position=1, **named)
    wanted = NewEvent(event_id="wanted", kind="watchlist", user_id=user.id, movie_id=2)
    Events(database, ids).put_all([seen, wanted])
    with loaded.begin() as connection:
        connection.execute(update(Dataset).values(scale={"low": 1, "high": 10, "stars": [0.5, 5]}))
    Models(database, artifacts).pin(artifact_folder.name)
    return Settings(database_url=loaded.url.render_as_string(hide_password=False), artifacts=artifacts)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    """Settings of another machine, where nothing is yet."""
    return Settings(database_url=f"sqlite:///{tmp_path}/other/seqrec.db", artifacts=tmp_path / "other" / "artifacts")


@pytest.fixture
def file(lived_in: Settings, tmp_path: Path) -> Path:
    back_up(tmp_path / "seqrec.backup", lived_in, Silent())
    return tmp_path / "seqrec.backup"


def test_all_of_it_moves_to_another_machine(
    lived_in: Settings, file: Path, elsewhere: Settings, artifact_folder: Path
) -> None:
    restore(file, elsewhere, Silent())

    assert content(elsewhere.database_url) == content(lived_in.database_url)
    restored = elsewhere.artifact_folder / artifact_folder.name
    assert artifact.load(restored).version == artifact_folder.name
    assert artifact.load(restored).first_movies == artifact.load(artifact_folder).first_movies
    database = Database(connect(elsewhere.database_url))
    with database.reads() as session:
        assert pinned(session) == artifact_folder.name
        assert free_id(session, known=()) == 83  # 82 was that of a movie that is gone
    assert revision(elsewhere.database_url) == newest_revision()
    database.engine.dispose()


def test_it_moves_from_sqlite_to_either_kind_and_ids_go_on(
    filled: Run, database_url: str, scorer: Scorer, tmp_path: Path
) -> None:
    if database_url.startswith("sqlite"):
        database_url = f"sqlite:///{tmp_path}/other.db"
    source = Settings()
    back_up(tmp_path / "file", source, Silent())
    restore(tmp_path / "file", source.model_copy(update={"database_url": database_url}), Silent())

    assert content(database_url) == content(source.database_url)
    database = Database(connect(database_url))
    assert Users(database).add(None, Profile()).id == 121
    Movies(ModelHost(database, scorer)).change(2, {}, ["A genre of its own"])
    database.engine.dispose()


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(
    lived_in: Settings, loaded: Engine, elsewhere: Settings, tmp_path: Path
) -> None:
    before = content(lived_in.database_url)

    def write(stage: str) -> None:
        if stage == "reading genres":  # the first of the tables that has been read
            Users(Database(loaded)).add(None, Profile("M", 50))

    back_up(tmp_path / "file", lived_in, Silent(write))
    restore(tmp_path / "file", elsewhere, Silent())

    assert content(lived_in.database_url) != before
    assert content(elsewhere.database_url) == before


def test_every_table_is_in_a_backup_whatever_its_columns(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        contents = json.loads(archive.read("manifest.json"))

    assert set(contents["tables"]) == {table.name for table in tables()}
    for table in tables():
        assert set(schema(table)) == set(table.columns.keys())


def changed(file: Path, **changes: object) -> None:
    """The same archive with other fields in its manifest."""
    rewrite(
        file, lambda name, data: json.dumps(json.loads(data) | changes).encode() if name == "manifest.json" else data
    )


def rewrite(file: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """The same archive with other entries; those for which there is none are left out."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            if data is not None:
                archive.writestr(name, data)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def with_a_flipped_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def compressed_by(method: int) -> Callable[[Path], None]:
    """Damage: a file that is not compressed, and of which the directory says that it is."""

    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[data.index(b"PK\x01\x02") + 10] = method
        file.write_bytes(data)

    return damage


def with_another_table(file: Path) -> None:
    rewrite(file, lambda name, data: b"other" if name == "tables/users/0.parquet" else data)


def without_a_table(file: Path) -> None:
    rewrite(file, lambda name, data: None if name == "tables/users/0.parquet" else data)


def of_something_else(file: Path) -> None:
    rewrite(file, lambda name, data: None if name == "manifest.json" else data)


DAMAGES = [
    (cut_off, "not a backup of SeqRec, or only the beginning of one"),
    (lambda file: file.write_text("user,movie\n"), "not a backup of SeqRec"),
    (of_something_else, "not a backup of SeqRec: it has no manifest"),
    (with_a_flipped_bit, "is damaged"),
    (compressed_by(zipfile.ZIP_BZIP2), "is not what was written"),
    (compressed_by(zipfile.ZIP_LZMA), "is not what was written"),
    (with_another_table, "tables/users/0.parquet is not what was written"),
    (without_a_table, "lacks files"),
    (lambda file: changed(file, model="../../home"), "is not the name of a model"),
    (lambda file: changed(file, revision="9999", seqrec="9.0.0"), "written by SeqRec 9.0.0, which is newer"),
    (lambda file: changed(file, format=2, seqrec="9.0.0"), "written by SeqRec 9.0.0, which is newer"),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_a_whole_backup_is_refused_and_nothing_is_written(file: Path, elsewhere: Settings) -> None:
    whole = file.read_bytes()
    for damage, words in DAMAGES:
        file.write_bytes(whole)
        damage(file)
        with pytest.raises(ArchiveError, match=words):
            restore(file, elsewhere, Silent())
        assert not elsewhere.artifact_folder.parent.exists()


def test_whatever_byte_of_its_directory_is_damaged_a_backup_is_refused_or_whole(tmp_path: Path) -> None:
    contents = Contents(seqrec="1", created_at=datetime.now(UTC), revision=str(newest_revision()), tables={"users": 0})
    rows = pl.DataFrame({"id": [1, 2]})
    with writing(tmp_path / "whole", contents) as writer:
        writer.add_rows("users", rows)
    whole = (tmp_path / "whole").read_bytes()
    refused = 0
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        for flipped in (0x01, 0x40, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= flipped
            (tmp_path / "damaged").write_bytes(damaged)
            try:
                with opened(tmp_path / "damaged") as archive:
                    assert all(part.equals(rows) for part in archive.rows("users"))
            except ArchiveError:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_holds_something_is_not_written_into(file: Path, lived_in: Settings) -> None:
    before = content(lived_in.database_url)

    with pytest.raises(DatabaseError, match="already holds the data set sample"):
        restore(file, lived_in, Silent())
    assert content(lived_in.database_url) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_of_a_newer_version_is_not_backed_up_in_part(
    lived_in: Settings, loaded: Engine, tmp_path: Path
) -> None:
    with loaded.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))  # of one that serves this one too

    with pytest.raises(DatabaseError, match="at revision 9999 of a newer SeqRec"):
        back_up(tmp_path / "file", lived_in, Silent())
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_of_a_newer_version_is_not_written_into(file: Path, elsewhere: Settings) -> None:
    engine = connect(elsewhere.database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(DatabaseError, match="at revision 9999: a newer SeqRec created it"):
        restore(file, elsewhere, Silent())


def test_an_interrupted_restore_leaves_nothing_and_is_made_by_the_same_command(
    file: Path, lived_in: Settings, elsewhere: Settings
) -> None:
    def interrupt(stage: str) -> None:
        if stage == "writing ratings":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(file, elsewhere, Silent(interrupt))
    assert revision(elsewhere.database_url) is None
    assert not elsewhere.artifact_folder.exists()

    restore(file, elsewhere, Silent())
    assert content(elsewhere.database_url) == content(lived_in.database_url)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_restore_that_fails_at_its_end_leaves_no_model(
    file: Path, lived_in: Settings, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(f"file://{elsewhere.artifact_folder}", elsewhere.artifact_folder / "cache")
    elsewhere = elsewhere.model_copy(update={"artifacts": store})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("app.jobs.transfer.rows._carry", interrupt)
        with pytest.raises(KeyboardInterrupt):
            restore(file, elsewhere, Silent())
    assert revision(elsewhere.database_url) is None
    assert not list(store.cache.iterdir())
    assert not store.folders_with("manifest.json")

    restore(file, elsewhere, Silent())
    assert content(elsewhere.database_url) == content(lived_in.database_url)
    assert [folder.name for folder in store.cache.iterdir()] == store.folders_with("manifest.json")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_the_model_cannot_be_uploaded_nothing_is_restored(
    file: Path, elsewhere: Settings, tmp_path: Path
) -> None:
    (tmp_path / "no folder").touch()
    store = ObjectStore(f"file://{tmp_path}/no folder", tmp_path / "cache")

    with pytest.raises(ArtifactError, match="does not answer as expected"):
        restore(file, elsewhere.model_copy(update={"artifacts": store}), Silent())
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_upload_that_fails_after_all_leaves_a_whole_database_and_says_what_to_copy(
    file: Path, lived_in: Settings, elsewhere: Settings, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(f"file://{elsewhere.artifact_folder}", elsewhere.artifact_folder / "cache")

    def refuse(*_: object, **__: object) -> None:
        raise ArtifactError("It went away.")

    monkeypatch.setattr(ObjectStore, "publish", refuse)

    with pytest.raises(ArtifactError, match=f"copy {store.cache / artifact_folder.name} into {store}. It went away"):
        restore(file, elsewhere.model_copy(update={"artifacts": store}), Silent())
    assert content(elsewhere.database_url) == content(lived_in.database_url)


NEWER_TABLES = ("served_models", "retrainings", "comparisons")
"""Those that the schema 0007 did not have."""


def of_older_schema(name: str, data: bytes) -> bytes | None:
    """An entry as of the schema 0007; None if there was none."""
    if name.startswith(tuple(f"tables/{table}" for table in NEWER_TABLES)):
        return None
    if not name.startswith("tables/datasets"):
        return data
    rows = io.BytesIO()
    pl.read_parquet(io.BytesIO(data)).drop("has_stars").write_parquet(rows)
    return rows.getvalue()


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_backup_of_an_older_schema_is_upgraded(
    file: Path, database_url: str, lived_in: Settings, loaded: Engine, elsewhere: Settings, *, upgraded: bool
) -> None:
    """As one of before there was a history of models, into an empty database and into one that is up to date."""
    rewrite(file, of_older_schema)
    with zipfile.ZipFile(file) as archive:
        contents = json.loads(archive.read("manifest.json"))
        entries = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    for name in NEWER_TABLES:
        del contents["tables"][name]
    files = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()}
    changed(file, revision="0007", tables=contents["tables"], files=files)
    if upgraded:
        before = content(database_url)
        with loaded.begin() as connection:  # the service has started on it, no more
            for table in reversed(tables()):
                connection.execute(text(f"DELETE FROM {table.name}")) if table.name != "served_models" else None
        elsewhere = lived_in
    else:
        before = content(lived_in.database_url)
    restore(file, elsewhere, Silent())

    assert content(elsewhere.database_url) == before | {"served_models": []}
    assert revision(elsewhere.database_url) == newest_revision()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_model_the_database_alone_is_backed_up(
    lived_in: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    shutil.rmtree(lived_in.artifact_folder)
    back_up(tmp_path / "file", lived_in, said := Silent())
    restore(tmp_path / "file", elsewhere, Silent())

    assert any("without a model" in message for message in said.messages)
    assert not elsewhere.artifact_folder.exists()
    assert content(elsewhere.database_url) == content(lived_in.database_url)


def test_the_commands_back_up_and_restore(filled: Run, tmp_path: Path) -> None:
    assert filled("backup", "file")[0] == 0
    filled.monkeypatch.setenv("SEQREC_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    filled.monkeypatch.setenv("SEQREC_ARTIFACTS", f"{tmp_path}/other")
    status, _, err = filled("restore", "file")

    assert (status, "Restored file into" in err) == (0, True)
    status, _, err = filled("restore", "file")
    assert (status, "already holds the data set" in err.replace("\n", " ")) == (1, True)
