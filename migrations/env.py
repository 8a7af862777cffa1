"""Alembic's entry: runs on the connection it is handed, or else on the database of the settings."""

from alembic import context
from sqlalchemy import Connection

from app.settings import Settings
from app.storage.database import connect
from app.storage.tables import Base


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if (handed := context.config.attributes.get("connection")) is not None:
    migrate(handed)
else:
    with connect(Settings().database_url).begin() as own:
        migrate(own)
