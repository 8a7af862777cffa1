"""Backs a whole service up, while it runs, and restores it into an empty database of either kind."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine

from app.jobs.reporter import Reporter
from app.jobs.transfer import archive
from app.jobs.transfer.archive import Archive, Contents, Writer
from app.jobs.transfer.rows import carried, count, filling, read, tables, write
from app.services.models.loading import to_serve
from app.settings import Settings
from app.storage.database import connect, newest_revision, public_url, reading_one_moment, require_newest
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
        require_newest(engine)
        with atomic_write(path) as temporary, archive.writing(temporary, contents) as writer:
            with reading_one_moment(engine) as connection:
                contents.pinned, contents.greatest_movie_id, contents.greatest_user_id = carried(connection)
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

    A backup of an older schema is upgraded. `ArchiveError` if the file is not a whole backup that this version reads,
    `DatabaseError` if the database is not empty.
    """
    engine = connect(settings.database_url)
    try:
        with archive.opened(path) as backup:
            model = _restore(backup, engine, settings, reporter)
    finally:
        engine.dispose()
    reporter.message(f"Restored {path} into {public_url(engine)}" + (f", with the model {model.name}" if model else ""))
    newest = artifact.newest(settings.artifacts)
    if model and backup.contents.pinned is None and newest and newest.name != model.name:
        reporter.message(
            f"A newer model is there, {newest.name}, and is served. For the one of the backup: "
            f"seqrec model serve {model.name}"
        )


def _restore(backup: Archive, engine: Engine, settings: Settings, reporter: Reporter) -> Path | None:
    """Returns the model's folder, and None if the backup has none.

    The model is written within the transaction, under a hidden name, and takes its place when the rows are there.
    """
    contents = backup.contents
    folder = settings.artifact_folder / contents.model if contents.model else None
    if folder:
        artifact.require_writable(settings.artifacts)
    with ExitStack() as stack:
        with filling(engine, contents.revision, contents.carried) as connection:
            for table in contents.tables:
                for written in write(connection, table, backup.rows(table)):
                    reporter.progress(f"writing {table}", written, None)
            hidden = stack.enter_context(_unpacked(backup, folder)) if folder else None
        if folder and hidden:
            hidden.rename(folder)
    if folder:
        _publish(folder, settings)
    return folder


@contextmanager
def _unpacked(backup: Archive, folder: Path) -> Iterator[Path | None]:
    """The artifact, whole, in a hidden folder beside its own; None if it is there already, whole."""
    if folder.exists():
        artifact.check(folder)
        yield None
        return
    hidden = folder.with_name(f".{folder.name}.restored")
    try:
        with atomic_folder(hidden, replace=True) as temporary:
            backup.write_model(temporary)
            artifact.check(temporary)
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _publish(folder: Path, settings: Settings) -> None:
    try:
        artifact.publish(settings.artifacts, folder)
    except ArtifactError as error:
        raise ArtifactError(
            f"The database is restored, but its model is on this machine alone: copy {folder} into "
            f"{settings.artifacts}. {error}"
        ) from error
