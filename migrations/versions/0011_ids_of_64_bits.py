"""Ids of users and movies have 64 bits.

SQLite's integers always have them. PostgreSQL writes the tables anew, and requests wait for that.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COLUMNS = {
    "users": ("id",),
    "movies": ("id",),
    "movie_genres": ("movie_id",),
    "ratings": ("user_id", "movie_id"),
    "served_lists": ("user_id",),
    "events": ("user_id", "movie_id"),
}

TRIGGERS = sa.text(
    "SELECT tgname, relname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND relname = ANY(:tables)"
)


def upgrade() -> None:
    _change_to("BIGINT")


def downgrade() -> None:
    _change_to("INTEGER")


def _change_to(kind: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    # PostgreSQL changes no column that a trigger names.
    triggers = connection.execute(TRIGGERS, {"tables": list(COLUMNS)}).all()
    for name, table, _ in triggers:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for table, columns in COLUMNS.items():
        changes = ", ".join(f"ALTER {column} TYPE {kind}" for column in columns)
        op.execute(f"ALTER TABLE {table} {changes}")  # at once: each statement writes the whole table
    for _, _, definition in triggers:
        op.execute(definition)
