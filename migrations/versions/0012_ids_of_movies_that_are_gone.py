"""The greatest id that a movie has ever had: a new movie gets one above it.

To a stored model an id means the movie that had it in training, also where that one was deleted. Ids of movies that
were deleted before this migration are not known.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("greatest_movie_id", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE revisions SET greatest_movie_id = (SELECT coalesce(max(id), 0) FROM movies)")
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_TRIGGERS.values() if on_sqlite else (POSTGRESQL_FUNCTION, *POSTGRESQL_TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in SQLITE_TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    else:
        op.execute("DROP FUNCTION remember_movies CASCADE")
    op.drop_column("revisions", "greatest_movie_id")


SQLITE_TRIGGERS = {
    name: (
        f"CREATE TRIGGER {name} AFTER {change} ON movies "
        f"BEGIN UPDATE revisions SET greatest_movie_id = NEW.id WHERE greatest_movie_id < NEW.id; END"
    )
    for name, change in (("movies_insert_remember", "INSERT"), ("movies_rename_remember", "UPDATE OF id"))
}

POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION remember_movies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE revisions SET greatest_movie_id = latest.id FROM (SELECT max(id) AS id FROM written) AS latest "
    "WHERE latest.id > greatest_movie_id; RETURN NULL; END $$"
)

POSTGRESQL_TRIGGERS = [
    f"CREATE TRIGGER movies_{change.lower()}_remember AFTER {change} ON movies "
    f"REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION remember_movies()"
    for change in ("INSERT", "UPDATE")
]
