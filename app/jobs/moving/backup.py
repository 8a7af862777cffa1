"""Backs a whole service up, while it runs, and restores it into an empty database of either kind."""

import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from app.jobs.moving import archive
from app.jobs.moving.archive import Archive, Contents, Writer
from app.jobs.moving.rows import carried, count, filling, read, tables, write
from app.jobs.reporter import Reporter
from app.services.models.loading import to_serve
from app.settings import Settings
from app.storage.database import connect, newest_revision, public_url, reading_one_moment, require_current
from model.errors import ArtifactError
from model.files import atomic_folder, atomic_write
from model.inference import artifact


def back_up(path: Path, settings: Settings, reporter: Reporter) -> None:
    """Write every table, as of one moment, and the served model into one file, in place of an older one.

    `DatabaseError` if the database is not there or not at the newest revision.
    """
    engine = connect(settings.database_url)
    contents = Contents(seqrec=version("seqrec"), created_at=datetime.now(UTC), revision=newest_revision() or "")
    try:
        require_current(engine)
        with atomic_write(path) as temporary, archive.writing(temporary, contents) as writer:
            with reading_one_moment(engine) as connection:
                contents.pinned, contents.greatest_movie_id = carried(connection)
                for table in tables():
                    contents.tables[table.name], written, total = 0, 0, count(connection, table)
                    for part in read(connection, table):
                        writer.add_rows(table.name, part)
                        written += len(part)
                        reporter.progress(f"reading {table.name}", written, total)
            _add_model(writer, settings, reporter)
    finally:
        engine.dispose()
    reporter.message(f"Backup: {path}, {path.stat().st_size:,} bytes, of {public_url(engine)}")


def _add_model(writer: Writer, settings: Settings, reporter: Reporter) -> None:
    try:
        folder = to_serve(settings.artifacts, writer.contents.pinned)
        files = artifact.check(folder)
    except ArtifactError as error:
        reporter.message(f"Backup: without a model. {error}")
    else:
        writer.add_model(folder, {*files, artifact.MANIFEST})
        reporter.message(f"Backup: with the model {folder.name}")


def restore(path: Path, settings: Settings, reporter: Reporter) -> None:
    """Write a backup into the empty database of the settings, and its model among the artifacts; all or nothing.

    A backup of an older schema is upgraded. `ArchiveError` if the file is no whole backup that this version reads, and
    `DatabaseError` if the database is not empty.
    """
    engine = connect(settings.database_url)
    try:
        with (
            archive.opened(path) as backup,
            filling(engine, backup.contents.revision, backup.contents.carried) as connection,
        ):
            for table in backup.contents.tables:
                for written in write(connection, table, backup.rows(table)):
                    reporter.progress(f"writing {table}", written, None)
            model = _restore_model(backup, settings)  # last: what can fail has not failed
    finally:
        engine.dispose()
    reporter.message(f"Restored {path} into {public_url(engine)}" + (f", with the model {model.name}" if model else ""))
    newest = artifact.newest(settings.artifacts)
    if model and backup.contents.pinned is None and newest and newest.name != model.name:
        reporter.message(
            f"A newer model is there, {newest.name}, and is served. For the one of the backup: "
            f"seqrec model serve {model.name}"
        )


def _restore_model(backup: Archive, settings: Settings) -> Path | None:
    """Write the artifact, unless it is there, whole; returns its folder, and None if the backup has none."""
    if backup.contents.model is None:
        return None
    folder = settings.artifact_folder / backup.contents.model
    if folder.exists():
        artifact.check(folder)
    else:
        _unpack(backup, folder)
    artifact.publish(settings.artifacts, folder)
    return folder


def _unpack(backup: Archive, folder: Path) -> None:
    with atomic_folder(folder) as temporary:
        backup.write_model(temporary)
    try:
        artifact.check(folder)
    except ArtifactError:
        shutil.rmtree(folder)
        raise
